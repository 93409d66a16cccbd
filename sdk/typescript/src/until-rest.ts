/**
 * A session's log up to the moment it has nothing more to do. The events tell
 * when to ask; the session's own record tells whether it rests.
 */
import type { Delta } from './delta.js'
import { OpenComputerError } from './errors.js'
import { type Event, isOfType } from './event.js'
import { type FollowOptions, follow } from './follow.js'
import { type Http, segment } from './http.js'
import { Outage } from './outage.js'
import type { Page } from './page.js'
import { pause } from './retry.js'
import type { SessionData } from './session.js'

/** Statuses in which nothing happens until somebody sends a message. */
const AT_REST = new Set(['idle', 'awaiting_input', 'failed', 'archived'])

/**
 * The events after `options.after`, until a turn is completed and nothing is
 * queued. A session that rests already gives what it has and ends.
 */
export async function* untilRest(
  http: Http,
  session: string,
  { type, ...options }: FollowOptions
): AsyncGenerator<Event | Delta, void, void> {
  const log = new Log(http, session, options)
  try {
    await log.look()
    while (!log.resting && !options.signal?.aborted) {
      for await (const item of log.live()) {
        if (item.type === 'delta' || isOfType(item.type, type)) yield item
      }
    }
    for await (const event of log.left()) {
      if (isOfType(event.type, type)) yield event
    }
  } catch (error) {
    if (!options.signal?.aborted) throw error
  }
}

/** The place reached in one log. */
class Log {
  readonly #http: Http
  readonly #path: string
  readonly #session: string
  readonly #options: FollowOptions
  #after: number
  #head = 0
  /** Whether the session rested when last looked at. */
  resting = false

  constructor(http: Http, session: string, options: FollowOptions) {
    this.#http = http
    this.#session = session
    this.#path = `/sessions/${segment(session)}`
    this.#options = options
    this.#after = options.after ?? 0
  }

  /** Looks whether the session rests, and how long its log is. */
  async look(): Promise<void> {
    const { signal } = this.#options
    const { head = 0, status } = await this.#http.json<SessionData>('GET', this.#path, { signal })
    this.#head = head
    this.resting = AT_REST.has(status)
  }

  /** The same in mid-stream, where a server that restarts is waited for. */
  async #rests(): Promise<boolean> {
    const outage = new Outage(this.#http.patience)
    outage.opened()
    while (!this.#options.signal?.aborted) {
      try {
        await this.look()
        return this.resting
      } catch (error) {
        if (!(error instanceof OpenComputerError)) throw error
        await pause(outage.broke(error), this.#options.signal)
      }
    }
    return true
  }

  /** What comes, until it looks as if the session rests. */
  async *live(): AsyncGenerator<Event | Delta, void, void> {
    const options = { ...this.#options, after: this.#after }
    for await (const item of follow(this.#http, this.#session, options, () => this.#rests())) {
      if (item.type === 'delta') {
        yield item
        continue
      }
      const { seq, type } = item as Event
      this.#after = seq
      yield item
      // What is older than the last look cannot tell anything new.
      if (mayRest(type) && seq > this.#head && await this.#rests()) return
    }
  }

  /** What is left of the log of a session at rest. */
  async *left(): AsyncGenerator<Event, void, void> {
    const { level = 'internal', signal } = this.#options
    while (this.#after < this.#head && !signal?.aborted) {
      const query = { level, after: this.#after }
      const page = await this.#http.json<Page<Event>>('GET', `${this.#path}/events`, { query, signal })
      for (const event of page.data) {
        if (event.seq > this.#head) return
        this.#after = event.seq
        yield event
      }
      if (!page.nextCursor) return
    }
  }
}

/** Whether a session may be at rest once this happened. */
function mayRest(type: string): boolean {
  return isOfType(type, 'turn.*') || isOfType(type, 'error.*') || isOfType(type, 'session.*')
}
