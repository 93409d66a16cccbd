/** A stream that never ends: over cuts, repetitions, silence and restarts. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import test from 'node:test'
import { ConnectionError, OpenComputerError, connectSession } from '../../dist/index.js'
import { event, frame, problem, quick, serve, stream, streamAndCut, streamAndEnd, take } from './server.mjs'

const open = (url, options = {}) =>
  connectSession({ sessionId: 'ses_1', clientToken: 'ct_1', baseUrl: url, ...quick, ...options })
const seqs = (events) => events.map(({ seq }) => seq)
const log = (...numbers) => numbers.map((seq) => frame(event(seq)))

test('the first request asks for everything, with the token in a header', async (t) => {
  const { url, requests } = await serve(t, stream(...log(1)))
  const events = await take((await open(url)).events(), 1)
  assert.deepEqual(seqs(events), [1])
  assert.equal(requests[0].url, '/v3/sessions/ses_1/events?stream=sse&level=internal&after=0')
  assert.deepEqual([requests[0].headers.accept, requests[0].headers.authorization], ['text/event-stream', 'Bearer ct_1'])
})

test('the wishes of the caller are in the query', async (t) => {
  const { url, requests } = await serve(t, stream(...log(8)))
  await take((await open(url)).events({ level: 'user', type: 'turn.*', after: 7, deltas: true }), 1)
  assert.deepEqual(requests[0].query, { stream: 'sse', level: 'user', type: 'turn.*', after: '7', deltas: '1' })
})

test('an event comes in camelCase, its text unharmed wherever the bytes are cut', async (t) => {
  const bytes = Buffer.from(frame(event(1, 'exec.completed', { exit_code: '0', summary: 'ü€😀' })))
  const { url } = await serve(t, stream(...Array.from(bytes, (byte) => Uint8Array.of(byte))))
  const [first] = await take((await open(url)).events(), 1)
  assert.deepEqual(first.body, { exitCode: 0, summary: 'ü€😀' })
})

const breaks = [
  ['is cut between frames', streamAndCut(...log(1, 2))],
  ['is cut inside a frame', streamAndCut(...log(1, 2), frame(event(3)).slice(0, 40))],
  ['is cut before the blank line', streamAndCut(...log(1, 2), frame(event(3)).slice(0, -1))],
  ['ends inside a frame', streamAndEnd(...log(1, 2), frame(event(3)).slice(0, 40))],
  ['ends well', streamAndEnd(...log(1, 2))]
]
for (const [how, first] of breaks) {
  test(`a stream that ${how} goes on where it was`, async (t) => {
    const { url, requests } = await serve(t, first, stream(...log(3, 4)))
    assert.deepEqual(seqs(await take((await open(url)).events(), 4)), [1, 2, 3, 4])
    assert.deepEqual(requests.map(({ query }) => query.after), ['0', '2'])
  })
}

test('what a server repeats is given once', async (t) => {
  const { url } = await serve(t, streamAndCut(...log(1, 2, 2, 1, 3)), stream(...log(1, 2, 3, 3, 4)))
  assert.deepEqual(seqs(await take((await open(url)).events(), 4)), [1, 2, 3, 4])
})

test('a filter leaves gaps, which are no reason to ask again', async (t) => {
  const { url, requests } = await serve(t, stream(...log(2, 9, 40)))
  assert.deepEqual(seqs(await take((await open(url)).events({ level: 'user' }), 3)), [2, 9, 40])
  assert.equal(requests.length, 1)
})

test('a server that restarts is waited for', async (t) => {
  const cut = (response) => response.destroy()
  const { url, requests } = await serve(
    t, streamAndCut(...log(1)), cut, problem(503), cut, problem(429), problem(502), stream(...log(2))
  )
  assert.deepEqual(seqs(await take((await open(url)).events(), 2)), [1, 2])
  assert.equal(requests.length, 7)
})

test('but not for ever', async (t) => {
  const { url, server, requests } = await serve(t, streamAndCut(...log(1)), problem(503, { code: 'busy' }))
  const events = (await open(url, { reconnectMs: 20 })).events()
  assert.equal((await events.next()).value.seq, 1)
  await assert.rejects(events.next(), { status: 503, code: 'busy' })
  assert.ok(requests.length > 2)
  server.close()
})

test('a stream that never was open is given up after the usual tries', async (t) => {
  const { url, requests } = await serve(t, (response) => response.destroy())
  await assert.rejects((await open(url)).events().next(), ConnectionError)
  assert.equal(requests.length, 3)
})

for (const [when, handlers] of [['at once', []], ['later', [streamAndCut(...log(1))]]]) {
  test(`a refusal ${when} is an error, and no reason to ask again`, async (t) => {
    const { url, requests } = await serve(t, ...handlers, problem(401, { message: 'expired' }))
    await assert.rejects(take((await open(url)).events()), { name: 'AuthError', message: 'expired' })
    assert.equal(requests.length, handlers.length + 1)
  })
}

test('a silent stream is taken for dead; a comment shows that it lives', async (t) => {
  const patience = 800
  const alive = async (response) => {
    await stream(...log(1))(response)
    const beat = setInterval(() => response.write(': ping\n\n'), patience / 10)
    // Twice the patience: without the comments this would be cut.
    setTimeout(() => {
      clearInterval(beat)
      response.write(frame(event(2)))
    }, patience * 2)
  }
  const { url, requests } = await serve(t, alive, stream(...log(3)))
  const own = await open(url, { silenceMs: patience })
  assert.deepEqual(seqs(await take(own.events(), 3)), [1, 2, 3])
  assert.deepEqual(requests.map(({ query }) => query.after), ['0', '2'])
})

test('the signal ends the stream without an error', async (t) => {
  const { url } = await serve(t, stream(...log(1)))
  const stop = new AbortController()
  const events = (await open(url)).events({ signal: stop.signal })
  assert.equal((await events.next()).value.seq, 1)
  const pending = events.next()
  stop.abort()
  assert.deepEqual(await pending, { done: true, value: undefined })
})

test('and while the first connection is being made, too', async (t) => {
  const stop = new AbortController()
  const { url } = await serve(t, () => stop.abort())
  assert.deepEqual(await take((await open(url, { maxRetries: 0 })).events({ signal: stop.signal })), [])
})

test('a signal that has fired already sends nothing', async (t) => {
  const { url, requests } = await serve(t, stream(...log(1)))
  assert.deepEqual(await take((await open(url)).events({ signal: AbortSignal.abort() })), [])
  assert.equal(requests.length, 0)
})

test('a signal is not held by connections that are gone', async (t) => {
  const cuts = Array.from({ length: 20 }, (_, index) => streamAndCut(...log(index + 1)))
  const { url } = await serve(t, ...cuts, stream(...log(21)))
  const { signal } = new AbortController()
  for await (const { seq } of (await open(url)).events({ signal })) {
    assert.ok(getEventListeners(signal, 'abort').length <= 1, `at ${seq}`)
    if (seq === 21) break
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('leaving the loop closes the connection', async (t) => {
  let closed
  const gone = new Promise((resolve) => { closed = resolve })
  const { url } = await serve(t, (response) => {
    response.on('close', closed)
    return stream(...log(1))(response)
  })
  for await (const { seq } of (await open(url)).events()) if (seq === 1) break
  await gone
})

test('deltas stand between the events and move nothing', async (t) => {
  const delta = 'event: delta\ndata: {"turn_id":"trn_1","kind":"text","text":"Hel"}\n\n'
  const { url, requests } = await serve(t, streamAndCut(...log(1), delta), stream(delta, ...log(2)))
  const items = await take((await open(url)).events({ deltas: true }), 4)
  const piece = { type: 'delta', turnId: 'trn_1', kind: 'text', text: 'Hel' }
  assert.deepEqual([items[0].seq, items[1], items[2], items[3].seq], [1, piece, piece, 2])
  assert.equal(requests[1].query.after, '1')
})

test('frames of other names are not for us', async (t) => {
  const { url } = await serve(t, stream('event: news\ndata: not even JSON\n\n', ...log(1)))
  assert.deepEqual(seqs(await take((await open(url)).events(), 1)), [1])
})

test('a stream that does not carry JSON is an error', async (t) => {
  const { url } = await serve(t, stream('data: <html>\n\n'))
  await assert.rejects((await open(url)).events().next(), (error) => {
    assert.ok(error instanceof OpenComputerError)
    assert.match(error.message, /does not carry JSON/)
    return true
  })
})
