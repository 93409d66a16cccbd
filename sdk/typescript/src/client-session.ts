/**
 * One session, as far as a client token reaches: read its log and steer it.
 * It works with an API key as well.
 */
import type { Delta } from './delta.js'
import type { Event, Level } from './event.js'
import { type FollowOptions, follow } from './follow.js'
import { type Http, segment } from './http.js'
import { freshKey } from './idempotency.js'
import type { ListPage } from './page.js'

/** A message with more to it than text. */
export interface Envelope {
  /** What the agent reads. */
  text?: string
  /** The message as its source had it; kept, not shown to the agent. */
  raw?: unknown
  /** The message's id at its source: sent twice, it counts once. */
  id?: string
  /** Where it came from. */
  source?: string
  /** Which conversation at the source. */
  conversation?: { source?: string; ref?: string }
  /** More about where it came from. */
  refs?: Record<string, unknown>
  [field: string]: unknown
}

/** Which events a stream gives. */
export type StreamOptions = Omit<FollowOptions, 'deltas'>

/** Which events a stream gives that ends when the session rests. */
export interface FollowUntilRest extends FollowOptions {
  /** Keeps following when the session rests, until `signal` fires. */
  follow?: boolean | undefined
}

/** Which events to list. */
export interface EventQuery {
  /** Only events with a higher `seq`. */
  after?: number
  /** Who the events are for; default `internal`, which is all of them. */
  level?: Level
  /** Only this type: exact, `prefix.*` or `*.suffix`. */
  type?: string
  /** Only events of this turn. */
  turnId?: string
  /** How many to a page. */
  limit?: number
}

/** How to send a message. */
export interface SteerOptions {
  /** Sent twice with the same key, a message counts once. Default: a fresh key. */
  idempotencyKey?: string | undefined
  /** Cuts the step that is running instead of waiting for it. */
  interrupt?: boolean | undefined
}

/** Where a message went in the log. */
export interface Sent {
  /** The event's id. */
  id: string
  /** Its place in the log. */
  seq: number
}

/** Reads and steers one session. */
export class ClientSession {
  /** The session's id. */
  readonly id: string
  /** A token for this session alone, fit for a browser. */
  readonly clientToken: string | undefined
  /** @internal */
  protected readonly http: Http

  /** @internal Use `connectSession`, `oc.sessions.create` or `oc.sessions.get`. */
  constructor(http: Http, id: string, clientToken?: string) {
    this.http = http
    this.id = id
    this.clientToken = clientToken
  }

  /**
   * The log from `after` on and whatever comes, until `signal` fires: each
   * event once and in order, over as many connections as it takes.
   */
  events(options?: StreamOptions & { deltas?: false | undefined }): AsyncGenerator<Event, void, void>
  /** The same, with what the model is saying right now in between. */
  events(options: FollowOptions): AsyncGenerator<Event | Delta, void, void>
  events(options: FollowOptions = {}): AsyncGenerator<Event | Delta, void, void> {
    return follow(this.http, this.id, options)
  }

  /** One page of the log; `nextCursor` is the next page's `after`. */
  listEvents(query: EventQuery = {}): Promise<ListPage<Event>> {
    return this.http.json('GET', this.path('/events'), { query })
  }

  /** One event. */
  event(eventId: string): Promise<Event> {
    return this.http.json('GET', this.path(`/events/${segment(eventId)}`))
  }

  /** The whole body of an event that was too large to be sent along. */
  async eventContent(eventId: string): Promise<string> {
    return await this.http.text('GET', this.path(`/events/${segment(eventId)}/content`)) ?? ''
  }

  /** One page of what was said: messages to and from the agent. */
  messages(query: { after?: number; limit?: number } = {}): Promise<ListPage<Event>> {
    return this.http.json('GET', this.path('/messages'), { query })
  }

  /** Sends a message. It joins a turn that runs, and wakes a session that rests. */
  async steer(message: string | Envelope, options: SteerOptions = {}): Promise<Sent> {
    const own = typeof message === 'string' ? undefined : message.id
    const content = typeof message === 'string' ? { text: message } : { envelope: message }
    const answer = await this.http.json<{ event: Sent }>('POST', this.path('/messages'), {
      body: {
        ...content,
        idempotencyKey: options.idempotencyKey ?? (own ? undefined : freshKey()),
        interrupt: options.interrupt || undefined
      },
      repeatable: true
    })
    return answer.event
  }

  /** @internal */
  protected path(rest = ''): string {
    return `/sessions/${segment(this.id)}${rest}`
  }
}
