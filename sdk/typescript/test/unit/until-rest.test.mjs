/** A stream that ends: when a turn is completed and nothing is queued. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import test from 'node:test'
import { once } from 'node:events'
import { OpenComputer } from '../../dist/index.js'
import { event, frame, quick, take } from './server.mjs'

/**
 * A session on a real server. A script says what is appended when somebody
 * opens the stream for the first time; a step may also cut all streams.
 */
async function session(t, { log = [], status = 'running', script = [] }) {
  const state = { log: [...log], status, looks: 0, opens: 0, lists: 0, streams: new Set() }
  const levels = ['internal', 'progress', 'user']
  const visible = (query) => (item) =>
    item.seq > Number(query.get('after') ?? 0) && levels.indexOf(item.level) >= levels.indexOf(query.get('level') ?? 'internal')
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x')
    if (!url.pathname.endsWith('/events')) {
      state.looks++
      response.end(JSON.stringify({ id: 'ses_1', status: state.status, head: state.log.length }))
      return state.afterLook?.()
    }
    const events = state.log.filter(visible(url.searchParams))
    if (url.searchParams.get('stream') !== 'sse') {
      state.lists++
      const data = events.slice(0, 3)
      const next_cursor = events.length > 3 ? String(data.at(-1).seq) : null
      return response.end(JSON.stringify({ data, next_cursor }))
    }
    state.opens++
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
    for (const item of events) response.write(frame(item))
    state.streams.add({ response, sees: visible(url.searchParams) })
    for (const step of script.splice(0)) play(state, step)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const baseUrl = `http://127.0.0.1:${server.address().port}`
  return { state, oc: new OpenComputer({ apiKey: 'k', baseUrl, ...quick }) }
}

/** The status is set before the event is seen, as one transaction does it. */
function play(state, [type, status, level = 'user']) {
  if (status) state.status = status
  if (type === 'end') {
    for (const { response } of state.streams) response.end()
    return
  }
  const item = { ...event(state.log.length + 1, type), level }
  state.log.push(item)
  for (const { response, sees } of state.streams) if (sees(item)) response.write(frame(item))
}

const types = (events) => events.map(({ type }) => type)
const done = [event(1, 'user.message'), event(2, 'turn.started'), event(3, 'agent.message'), event(4, 'turn.completed')]

test('it ends with the turn', async (t) => {
  const script = [['turn.started'], ['agent.message'], ['turn.completed', 'idle']]
  const { oc } = await session(t, { log: done.slice(0, 1), status: 'queued', script })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), types(done))
})

for (const status of ['awaiting_input', 'failed', 'archived']) {
  test(`it ends when the session is ${status}`, async (t) => {
    const { oc } = await session(t, { log: done.slice(0, 1), script: [['turn.completed', status]] })
    assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), ['user.message', 'turn.completed'])
  })
}

test('a message that waits keeps it going', async (t) => {
  const script = [['user.message'], ['turn.completed', 'queued'], ['turn.started', 'running'], ['turn.completed', 'idle']]
  const { oc } = await session(t, { log: done.slice(0, 1), script })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))),
    ['user.message', 'user.message', 'turn.completed', 'turn.started', 'turn.completed'])
})

test('turns of long ago do not end it, and are no reason to look', async (t) => {
  const { oc, state } = await session(t, { log: [...done, event(5, 'user.message')] })
  const events = oc.sessions.stream('ses_1')
  for (let seq = 1; seq <= 5; seq++) assert.equal((await events.next()).value.seq, seq)
  assert.equal(state.looks, 1)
  play(state, ['turn.completed', 'idle'])
  assert.deepEqual(types(await take(events)), ['turn.completed'])
  assert.equal(state.looks, 2)
})

test('what is written after the session was seen at rest is left for the next time', async (t) => {
  const { oc, state } = await session(t, { log: done, status: 'idle' })
  const events = oc.sessions.stream('ses_1', { after: 2 })
  assert.equal((await events.next()).value.seq, 3)
  play(state, ['user.message', 'queued'])
  assert.deepEqual((await take(events)).map(({ seq }) => seq), [4])
})

test('what comes between the look and the reading is left for the next time, too', async (t) => {
  const { oc, state } = await session(t, { log: done, status: 'idle' })
  state.afterLook = () => play(state, ['user.message', 'queued'])
  assert.deepEqual((await take(oc.sessions.stream('ses_1', { after: 2 }))).map(({ seq }) => seq), [3, 4])
})

test('a session at rest gives all it has, over several pages, and ends', async (t) => {
  const { oc, state } = await session(t, { log: done, status: 'idle' })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), types(done))
  assert.deepEqual([state.opens, state.lists], [0, 2])
})

test('a session at rest has nothing beyond its head', async (t) => {
  const { oc } = await session(t, { log: done, status: 'idle' })
  assert.deepEqual(await take(oc.sessions.stream('ses_1', { after: 4 })), [])
})

test('what follows the end of the turn is still given', async (t) => {
  const script = [['turn.completed', 'idle'], ['checkpoint.saved', undefined, 'internal']]
  const { oc } = await session(t, { log: done.slice(0, 1), script })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), ['user.message', 'turn.completed', 'checkpoint.saved'])
})

test('a level that hides the last event does not keep it open', async (t) => {
  const script = [['turn.completed', 'idle'], ['checkpoint.saved', undefined, 'internal']]
  const { oc } = await session(t, { log: done.slice(0, 1), script })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1', { level: 'user' }))), ['user.message', 'turn.completed'])
})

test('a type that hides the end of the turn does not keep it open', async (t) => {
  const script = [['agent.message'], ['turn.completed', 'idle']]
  const { oc } = await session(t, { log: done.slice(0, 1), script })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1', { type: 'agent.*' }))), ['agent.message'])
})

test('an error without a turn ends it, if the session rests', async (t) => {
  const { oc } = await session(t, { log: done.slice(0, 1), script: [['error.model', 'idle']] })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), ['user.message', 'error.model'])
})

test('a server that ends the stream is asked why', async (t) => {
  const { oc, state } = await session(t, { log: done.slice(0, 1), script: [['end', 'archived']] })
  assert.deepEqual(types(await take(oc.sessions.stream('ses_1'))), ['user.message'])
  assert.equal(state.opens, 1)
})

test('with follow it goes on until the signal', async (t) => {
  const script = [['turn.completed', 'idle']]
  const { oc, state } = await session(t, { log: done.slice(0, 1), script })
  const stop = new AbortController()
  const events = oc.sessions.stream('ses_1', { follow: true, signal: stop.signal })
  await events.next()
  assert.equal((await events.next()).value.type, 'turn.completed')
  play(state, ['user.message', 'queued'])
  assert.equal((await events.next()).value.type, 'user.message')
  stop.abort()
  assert.equal((await events.next()).done, true)
})

test('the signal ends it without an error', async (t) => {
  const { oc } = await session(t, { log: done.slice(0, 1) })
  const stop = new AbortController()
  const events = oc.sessions.stream('ses_1', { signal: stop.signal })
  await events.next()
  const pending = events.next()
  stop.abort()
  assert.equal((await pending).done, true)
})

test('a handle streams like the client', async (t) => {
  const { oc } = await session(t, { log: done, status: 'idle' })
  assert.deepEqual(types(await take((await oc.sessions.get('ses_1')).stream({ after: 2 }))), ['agent.message', 'turn.completed'])
})

test('a session that is not there is an error', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end('{"error":{"message":"no session"}}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const oc = new OpenComputer({ apiKey: 'k', baseUrl: `http://127.0.0.1:${server.address().port}` })
  await assert.rejects(take(oc.sessions.stream('ses_2')), { name: 'NotFoundError', message: 'no session' })
})
