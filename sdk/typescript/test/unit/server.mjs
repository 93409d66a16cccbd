/**
 * A real HTTP server on loopback that plays what a test tells it to. Each
 * request is answered by the next handler of the list; the last one stays.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'

/** Starts one; it ends with the test. `requests` holds what it was asked. */
export async function serve(t, ...handlers) {
  const requests = []
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const { method, url, headers } = request
    const seen = { method, url, headers, text, body: text ? JSON.parse(text) : undefined }
    seen.query = Object.fromEntries(new URL(url, 'http://x').searchParams)
    requests.push(seen)
    const handler = handlers.length > 1 ? handlers.shift() : handlers[0]
    await handler(response, seen)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${server.address().port}`, requests, server }
}

/** Answers with JSON. */
export const json = (body, status = 200, headers = {}) => (response) => {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Answers with the error envelope. */
export const problem = (status, error = {}, headers = {}) => json({ error: { message: 'no', ...error } }, status, headers)

/** Opens a stream, sends these pieces each by itself, and leaves it open. */
export const stream = (...pieces) => async (response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.flushHeaders()
  for (const piece of pieces) {
    await new Promise((sent) => response.write(piece, sent))
    await new Promise(setImmediate)
  }
}

/** The same, then ends the stream. */
export const streamAndEnd = (...pieces) => async (response) => {
  await stream(...pieces)(response)
  response.end()
}

/** The same, then cuts the connection. */
export const streamAndCut = (...pieces) => async (response) => {
  await stream(...pieces)(response)
  response.destroy()
}

/** An event as the wire has it. */
export const event = (seq, type = 'agent.message', body = {}) => ({
  id: `evt_${seq}`, seq, ts: '2026-01-01T00:00:00.000Z', session: 'ses_1', actor: { type: 'agent' }, type,
  level: 'user', body, refs: {}
})

/** An event as a frame of the stream. */
export const frame = (value) => `id: ${value.seq}\ndata: ${JSON.stringify(value)}\n\n`

/** Takes what a generator gives until it ends or `count` are there. */
export async function take(generator, count = Infinity) {
  const items = []
  for await (const item of generator) {
    items.push(item)
    if (items.length >= count) break
  }
  return items
}

/** A client's options that leave no time to get bored. */
export const quick = { retryDelayMs: 1 }
