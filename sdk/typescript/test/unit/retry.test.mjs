/** What is tried again, how often, and what never is. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ConnectionError, OpenComputer, OpenComputerError, RateLimitError } from '../../dist/index.js'
import { backoff } from '../../dist/retry.js'
import { json, problem, quick, serve } from './server.mjs'

const ok = json({ id: 'x', session: { id: 'ses_1' }, event: { id: 'evt_1', seq: 1 }, data: [] })
const client = (url, options = {}) => new OpenComputer({ apiKey: 'k', baseUrl: url, ...quick, ...options })
const cut = (response) => response.destroy()

const repeatable = [
  ['a read', (oc) => oc.agents.get('a')],
  ['agents.create', (oc) => oc.agents.create({ name: 'a', prompt: 'p', model: 'm' })],
  ['sessions.start', (oc) => oc.sessions.start({ agent: 'a', input: 'i' })],
  ['sessions.start by key', (oc) => oc.sessions.start({ agent: 'a', input: 'i', key: 'k' })],
  ['sessions.send', (oc) => oc.sessions.send('ses_1', 'hi')]
]
for (const [name, call] of repeatable) {
  for (const [how, failure] of [['500', problem(500)], ['429', problem(429)], ['a cut connection', cut]]) {
    test(`${name} is tried again after ${how}, as the same request`, async (t) => {
      const { url, requests } = await serve(t, failure, failure, ok)
      await call(client(url))
      assert.equal(requests.length, 3)
      const [first, , last] = requests
      assert.deepEqual([last.body, last.headers['idempotency-key']], [first.body, first.headers['idempotency-key']])
    })
  }
}

const once = [
  ['agents.update', (oc) => oc.agents.update('a', { prompt: 'p' })],
  ['credentials.create', (oc) => oc.credentials.create({ key: 'k' })],
  ['credentials.rotate', (oc) => oc.credentials.rotate('cred_1', 'k')]
]
for (const [name, call] of once) {
  test(`${name} is never sent twice`, async (t) => {
    const { url, requests } = await serve(t, problem(500), ok)
    await assert.rejects(call(client(url)), OpenComputerError)
    assert.equal(requests.length, 1)
  })
}

for (const status of [400, 401, 403, 404, 409, 422]) {
  test(`${status} is final`, async (t) => {
    const { url, requests } = await serve(t, problem(status), ok)
    await assert.rejects(client(url).agents.get('a'), { status })
    assert.equal(requests.length, 1)
  })
}

test('the last failure is the one that is thrown', async (t) => {
  const { url, requests } = await serve(t, cut, problem(500), problem(503, { code: 'busy' }))
  await assert.rejects(client(url).agents.get('a'), { status: 503, code: 'busy' })
  assert.equal(requests.length, 3)
})

test('how often is the caller\'s choice', async (t) => {
  const { url, requests } = await serve(t, cut)
  await assert.rejects(client(url, { maxRetries: 4 }).agents.get('a'), ConnectionError)
  assert.equal(requests.length, 5)
})

test('Retry-After goes before the own delay', async (t) => {
  const { url, requests } = await serve(t, problem(429, {}, { 'Retry-After': '0.01' }), ok)
  // With its own delay alone this test would run into its time limit.
  await client(url, { retryDelayMs: 600_000 }).agents.get('a')
  assert.equal(requests.length, 2)
})

test('after the last try, 429 still says how long to wait', async (t) => {
  const { url } = await serve(t, problem(429, {}, { 'Retry-After': '3' }))
  await assert.rejects(client(url, { maxRetries: 0 }).agents.get('a'), (error) => {
    assert.ok(error instanceof RateLimitError)
    assert.equal(error.retryAfter, 3)
    return true
  })
})

test('delays double from half a second and stop growing at eight', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 60].map((attempt) => backoff(attempt, 500)), [500, 1000, 2000, 4000, 8000, 8000, 8000])
})
