/**
 * Follows a session's log from any point, for ever: each event once and in
 * order, over as many connections as it takes.
 */
import { fromWire } from './casing.js'
import { Deadline } from './deadline.js'
import type { Delta } from './delta.js'
import { OpenComputerError } from './errors.js'
import type { Event, Level } from './event.js'
import { type Http, segment } from './http.js'
import { Outage } from './outage.js'
import { pause } from './retry.js'
import { type Frame, FrameParser } from './sse.js'

/** Which part of the log, and what else. */
export interface FollowOptions {
  /** Who the events are for; default `internal`, which is all of them. */
  level?: Level | undefined
  /** Only this type: exact, `prefix.*` or `*.suffix`. */
  type?: string | undefined
  /** Only events with a higher `seq`; default 0, the whole log. */
  after?: number | undefined
  /** Also what the model is saying right now, piece by piece. */
  deltas?: boolean | undefined
  /** Ends the stream, without an error. */
  signal?: AbortSignal | undefined
}

/** What to do when a connection ends: true ends the stream for good. */
type AtEnd = () => Promise<boolean>

/** The events after `options.after`, and those to come, until the signal fires. */
export async function* follow(
  http: Http,
  session: string,
  options: FollowOptions,
  atEnd?: AtEnd
): AsyncGenerator<Event | Delta, void, void> {
  const { signal } = options
  const outage = new Outage(http.patience)
  let after = options.after ?? 0
  while (!signal?.aborted) {
    const parser = new FrameParser()
    let delay: number
    try {
      for await (const item of connection(http, session, { ...options, after }, parser, outage)) {
        if (item.type !== 'delta') {
          const { seq } = item as Event
          if (seq <= after) continue
          after = seq
        }
        outage.progressed()
        yield item
      }
      if (atEnd && !signal?.aborted && await atEnd()) return
      delay = outage.ended()
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof OpenComputerError)) throw error
      delay = outage.broke(error)
    }
    await pause(parser.retryMs ?? delay, signal)
  }
}

/** What comes over one connection, until it ends or breaks. */
async function* connection(
  http: Http,
  session: string,
  options: FollowOptions,
  parser: FrameParser,
  outage: Outage
): AsyncGenerator<Event | Delta, void, void> {
  const deadline = new Deadline(options.signal)
  try {
    const response = await http.open(`/sessions/${segment(session)}/events`, query(options), deadline)
    outage.opened()
    for await (const frame of frames(response, parser, deadline, http.patience.silenceMs)) {
      const item = read(frame)
      if (item) yield item
    }
  } catch (cause) {
    throw cause instanceof OpenComputerError ? cause : http.unreachable(cause, deadline.missed)
  } finally {
    deadline.clear()
  }
}

function query({ level = 'internal', type, after, deltas }: FollowOptions): object {
  return { stream: 'sse', level, type, after, deltas: deltas ? 1 : undefined }
}

async function* frames(
  response: Response,
  parser: FrameParser,
  deadline: Deadline,
  silenceMs: number
): AsyncGenerator<Frame, void, void> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      deadline.within(silenceMs, 'the stream said nothing')
      const { done, value } = await reader.read()
      // The clock must not run while the caller takes its time with a frame.
      deadline.stop()
      if (done) return
      yield* parser.push(value)
    }
  } finally {
    // It may be broken already, which is what is wanted.
    await reader.cancel().catch(() => undefined)
  }
}

/** What a frame means; nothing if its name is not known here. */
function read({ event, data }: Frame): Event | Delta | undefined {
  if (event !== 'message' && event !== 'delta') return undefined
  let value: unknown
  try {
    value = fromWire(JSON.parse(data))
  } catch (cause) {
    throw new OpenComputerError(200, undefined, 'the stream does not carry JSON: is it the API?', cause)
  }
  return event === 'delta' ? { ...(value as Delta), type: 'delta' } : (value as Event)
}
