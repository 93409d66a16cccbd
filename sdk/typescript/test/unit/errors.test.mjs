/** Each status has its class, and the server's words come through. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as sdk from '../../dist/index.js'
import { json, problem, quick, serve } from './server.mjs'

/** The error that a read ends in when the server answers like this. */
async function get(t, handler, options = {}) {
  const { url } = await serve(t, handler)
  const oc = new sdk.OpenComputer({ apiKey: 'k', baseUrl: url, ...quick, maxRetries: 0, ...options })
  return oc.agents.get('agt_1').then(() => assert.fail('there was no error'), (error) => error)
}

const classes = [
  [400, 'OpenComputerError'], [401, 'AuthError'], [402, 'OpenComputerError'], [403, 'AuthError'],
  [404, 'NotFoundError'], [409, 'ConflictError'], [413, 'OpenComputerError'], [422, 'ValidationError'],
  [429, 'RateLimitError'], [500, 'OpenComputerError'], [501, 'OpenComputerError'], [503, 'OpenComputerError']
]
for (const [status, name] of classes) {
  test(`${status} is ${name}`, async (t) => {
    const said = { type: 'invalid', code: 'c', message: 'm', param: 'p', request_id: 'req_1' }
    const error = await get(t, problem(status, said))
    assert.ok(error instanceof sdk[name] && error instanceof sdk.OpenComputerError && error instanceof Error)
    const { status: got, type, code, message, param, requestId } = error
    assert.deepEqual({ got, name: error.name, type, code, message, param, requestId },
      { got: status, name, type: 'invalid', code: 'c', message: 'm', param: 'p', requestId: 'req_1' })
  })
}

const bodies = [
  ['text instead of an object', json({ error: 'gone' }, 404), 'gone'],
  ['no JSON at all', (response) => { response.writeHead(404).end('<html>') }, 'the server answered 404'],
  ['nothing', (response) => { response.writeHead(404).end() }, 'the server answered 404']
]
for (const [given, handler, words] of bodies) {
  test(`an error with ${given} still has a class and a message`, async (t) => {
    const error = await get(t, handler)
    assert.ok(error instanceof sdk.NotFoundError)
    assert.equal(error.message, words)
    assert.equal(error.code, undefined)
  })
}

test('429 says how long to wait', async (t) => {
  assert.equal((await get(t, problem(429, {}, { 'Retry-After': '7' }))).retryAfter, 7)
  assert.equal((await get(t, problem(429))).retryAfter, undefined)
})

test('an answer that is not JSON says what may be wrong', async (t) => {
  const error = await get(t, (response) => response.end('<html>'))
  assert.match(error.message, /does not answer in JSON/)
})

test('no server: the message names the address', async (t) => {
  const { url, server } = await serve(t, json({}))
  server.close()
  const oc = new sdk.OpenComputer({ apiKey: 'k', baseUrl: url, maxRetries: 0 })
  await assert.rejects(oc.agents.list(), (error) => {
    assert.ok(error instanceof sdk.ConnectionError)
    assert.equal(error.status, 0)
    assert.ok(error.message.includes(url))
    assert.ok(error.cause instanceof Error)
    return true
  })
})

test('a server that never answers is given up', async (t) => {
  const error = await get(t, () => undefined, { timeoutMs: 30 })
  assert.ok(error instanceof sdk.ConnectionError)
  assert.match(error.message, /no answer from .* within 30 ms/)
})
