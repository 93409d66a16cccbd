/**
 * What runs in the browser: it watches a session by the browser's own
 * EventSource and by our client, and keeps what it saw for the test to read.
 */
import { connectSession } from '/sdk/index.js'

/** What each watcher saw: `seqs`, `ids`, how often it opened and failed, its state. */
const watchers = {}

/** Watches with EventSource, and nothing but EventSource. */
function watch(name, url) {
  const seen = watchers[name] = { seqs: [], ids: [], types: [], opens: 0, errors: 0, closed: false }
  const source = new EventSource(url)
  source.onopen = () => { seen.opens += 1 }
  source.onerror = () => {
    seen.errors += 1
    seen.closed = source.readyState === EventSource.CLOSED
  }
  source.onmessage = ({ data, lastEventId }) => {
    const { seq, type } = JSON.parse(data)
    seen.seqs.push(seq)
    seen.ids.push(lastEventId)
    seen.types.push(type)
    if (type === 'turn.completed') source.close()
  }
}

/** Watches with our client until so many turns are over. */
async function follow(name, options, turns) {
  const seen = watchers[name] = { seqs: [], types: [], texts: [], deltas: '', error: undefined }
  try {
    const session = await connectSession(options)
    for await (const item of session.events({ level: 'user', deltas: true })) {
      if (item.type === 'delta') {
        seen.deltas += item.kind === 'text' ? item.text : ''
        continue
      }
      seen.seqs.push(item.seq)
      seen.types.push(item.type)
      if (item.type === 'agent.message') seen.texts.push(item.body.text)
      if (item.type === 'turn.completed' && --turns === 0) return
    }
  } catch (error) {
    seen.error = String(error)
  }
}

/** Steers with our client; gives what was sent, or the error as the page sees it. */
async function steer(options, text, idempotencyKey) {
  try {
    const session = await connectSession({ ...options, maxRetries: 0 })
    return { sent: await session.steer(text, { idempotencyKey }) }
  } catch ({ name, status, requestId, message }) {
    return { error: { name, status, requestId, message } }
  }
}

globalThis.oc = { watchers, watch, follow, steer }
