/** Where the key and the address come from. */
import assert from 'node:assert/strict'
import test, { beforeEach } from 'node:test'
import { apiBase } from '../../dist/environment.js'
import { OpenComputer } from '../../dist/index.js'
import { json, serve } from './server.mjs'

beforeEach(() => {
  delete process.env.OPENCOMPUTER_API_KEY
  delete process.env.OPENCOMPUTER_API_URL
})

const addresses = [
  [undefined, 'http://127.0.0.1:8080/v3'],
  ['http://a', 'http://a/v3'],
  ['http://a/', 'http://a/v3'],
  ['http://a/v3', 'http://a/v3'],
  ['https://a/v3//', 'https://a/v3'],
  ['http://a/api', 'http://a/v3'],
  ['http://a/oc', 'http://a/oc/v3']
]
for (const [given, base] of addresses) {
  test(`${given} is ${base}, from either side`, () => {
    assert.equal(apiBase(given), base)
    if (given) process.env.OPENCOMPUTER_API_URL = given
    assert.equal(apiBase(), base)
  })
}

test('each face has its own base', () => {
  for (const given of ['http://a', 'http://a/v3', 'http://a/api/']) assert.equal(apiBase(given, '/api'), 'http://a/api')
})

test('what is given goes before the environment', () => {
  process.env.OPENCOMPUTER_API_URL = 'http://a'
  assert.equal(apiBase('http://b'), 'http://b/v3')
})

test('no key: a clear word at once', () => {
  assert.throws(() => new OpenComputer(), /set OPENCOMPUTER_API_KEY or pass \{ apiKey \}/)
})

test('an address without http: a clear word at once', () => {
  assert.throws(() => new OpenComputer({ apiKey: 'k', baseUrl: 'localhost:8080' }), /must start with http/)
})

test('a client told nothing uses the environment', async (t) => {
  const { url, requests } = await serve(t, json({ data: [] }))
  process.env.OPENCOMPUTER_API_KEY = 'osb_env'
  process.env.OPENCOMPUTER_API_URL = url
  await new OpenComputer().agents.list()
  assert.equal(requests[0].headers.authorization, 'Bearer osb_env')
})
