/** Sessions: durable runs of an agent. */
import type { Envelope, FollowUntilRest, Sent, SteerOptions } from './client-session.js'
import { ClientSession } from './client-session.js'
import type { Delta } from './delta.js'
import type { Event } from './event.js'
import type { Http } from './http.js'
import { segment } from './http.js'
import { freshKey } from './idempotency.js'
import type { Limits, LimitsChange } from './limits.js'
import type { ListPage, PageQuery } from './page.js'
import { type Checkpoint, Session, type SessionData, type SessionStatus } from './session.js'
import { untilRest } from './until-rest.js'
import type { DestinationParams } from './webhooks.js'

/** What a new session needs. */
export interface CreateSessionParams {
  /** The agent to run, by id. */
  agent: string
  /** The first message. */
  input: string | Envelope
  /** One session per key: the same key again gives the same session. */
  key?: string
  /** What it may use at most, over the agent's own limits. */
  limits?: Limits
  /** Anything, up to 16 KB: given back with the session, never shown to the model. */
  metadata?: Record<string, unknown>
  /** Another model than the agent's. */
  model?: string
  /** An address that is told, unsigned, of every event of level `user` from the first on. */
  webhook?: string
  /** Who is told of its events from the first on; not applied when the session was there before. */
  destinations?: DestinationParams[]
  /** Sent twice with the same key, a create counts once. Default: a fresh key. */
  idempotencyKey?: string
}

/** What a fork may differ in. */
export interface ForkParams {
  /** The last event that both share; default: the newest. */
  atSeq?: number
  /** The fork's first message; without one it rests until it is told something. */
  input?: string | Envelope
  /** One session per key: the same key again gives the same fork. */
  key?: string
  /** Anything, up to 16 KB; that of the origin is not taken over. */
  metadata?: Record<string, unknown>
  /** Other limits than the origin had then. */
  limits?: LimitsChange
  /** Whether the fork's sandboxes get the secrets of the origin's; default: they do not. */
  inheritSecrets?: boolean
  /** Sent twice with the same key, a fork counts once. Default: a fresh key. */
  idempotencyKey?: string
}

/** A fork, and which files it has. */
export interface Forked {
  /** The fork. */
  session: Session
  /** The checkpoint its files come from; null if there was none by then. */
  files: { checkpointId: string; seq: number } | null
}

/** Which sessions to list. */
export interface SessionQuery extends PageQuery {
  /** Only those that run this agent. */
  agent?: string
  /** Only those that are doing this. */
  status?: SessionStatus
  /** Only the one made with this key. */
  key?: string
  /** Only those made after this moment, RFC 3339. */
  after?: string
  /** Only those made before this moment, RFC 3339. */
  before?: string
}

/** All sessions of the key's org. */
export class Sessions {
  readonly #http: Http

  /** @internal */
  constructor(http: Http) {
    this.#http = http
  }

  /** Starts a session. It runs on its own from here on. */
  async start(params: CreateSessionParams): Promise<Session> {
    const { idempotencyKey, ...body } = params
    const answer = await this.#http.json<{ session: SessionData; clientToken?: string }>('POST', '/sessions', {
      body,
      idempotencyKey: idempotencyKey ?? (params.key ? undefined : freshKey()),
      repeatable: true
    })
    return new Session(this.#http, answer.session, answer.clientToken)
  }

  /** The published package's name for `start`. */
  create(params: CreateSessionParams): Promise<Session> {
    return this.start(params)
  }

  /**
   * A session's log, from the beginning or from `after`, and what comes until
   * a turn is completed and nothing is queued. With `follow` it goes on until
   * `signal` fires.
   */
  stream(id: string, options?: FollowUntilRest & { deltas?: false | undefined }): AsyncGenerator<Event, void, void>
  /** The same, with what the model is saying right now in between. */
  stream(id: string, options: FollowUntilRest): AsyncGenerator<Event | Delta, void, void>
  stream(id: string, { follow, ...options }: FollowUntilRest = {}): AsyncGenerator<Event | Delta, void, void> {
    return follow ? new ClientSession(this.#http, id).events(options) : untilRest(this.#http, id, options)
  }

  /** Sends a message. It joins a turn that runs, and wakes a session that rests. */
  send(id: string, message: string | Envelope, options?: SteerOptions): Promise<Sent> {
    return new ClientSession(this.#http, id).steer(message, options)
  }

  /**
   * Makes a session with the same log up to an event, and the files as they were
   * then. Nothing is copied, however long the log and however large the files.
   */
  async fork(id: string, params: ForkParams = {}): Promise<Forked> {
    const { idempotencyKey, ...body } = params
    const answer = await this.#http.json<{ session: SessionData; clientToken?: string; files: Forked['files'] }>(
      'POST', `/sessions/${segment(id)}/fork`,
      { body, idempotencyKey: idempotencyKey ?? (params.key ? undefined : freshKey()), repeatable: true }
    )
    return { session: new Session(this.#http, answer.session, answer.clientToken), files: answer.files }
  }

  /** Changes a session's limits, also while a turn runs. */
  async update(id: string, change: { limits: LimitsChange }): Promise<Session> {
    const data = await this.#http.json<SessionData>('PATCH', `/sessions/${segment(id)}`, { body: change, repeatable: true })
    return new Session(this.#http, data)
  }

  /** The checkpoints of a session's files that are kept, newest first. */
  async checkpoints(id: string): Promise<Checkpoint[]> {
    const { data } = await this.#http.json<{ data: Checkpoint[] }>('GET', `/sessions/${segment(id)}/checkpoints`)
    return data
  }

  /** Erases a session for good: log, files, tokens. What its forks share stays with them. */
  delete(id: string): Promise<void> {
    return this.#http.json('DELETE', `/sessions/${segment(id)}`)
  }

  /** One session. */
  async get(id: string): Promise<Session> {
    return new Session(this.#http, await this.#http.json('GET', `/sessions/${segment(id)}`))
  }

  /** One page of sessions, newest first. */
  list(query: SessionQuery = {}): Promise<ListPage<SessionData>> {
    return this.#http.json('GET', '/sessions', { query })
  }
}
