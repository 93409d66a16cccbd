/** One session with all one may do to it. It needs an API key. */
import type { Egress } from './agents.js'
import { ClientSession, type FollowUntilRest } from './client-session.js'
import type { Delta } from './delta.js'
import type { Event } from './event.js'
import type { Http } from './http.js'
import type { Limits, LimitsChange } from './limits.js'
import type { ListPage, PageQuery } from './page.js'
import type { LastTurn, Result, Turn } from './turn.js'
import { untilRest } from './until-rest.js'
import type { SessionUsage } from './usage.js'
import { Deliveries, Destinations } from './webhooks.js'

/** What a session is doing. */
export type SessionStatus = 'queued' | 'running' | 'awaiting_input' | 'idle' | 'failed' | 'archived'

/** What a session waits on: since when, until when, and what happens then. */
export interface Waiting {
  /** What for. */
  what: 'model' | 'tool' | 'human' | 'quota' | 'sandbox' | 'retry' | 'schedule' | (string & {})
  /** Since when, RFC 3339. */
  since: string
  /** Until when at the latest; null if only a message or a free place ends it. */
  deadline: string | null
  /** What happens at the deadline, or what ends the wait. */
  next: string
  /** The place in line: 1 is next. */
  place?: number
}

/** The files of a session's sandbox at a moment. */
export interface Checkpoint {
  /** Its id. */
  id: string
  /** The session whose sandbox it was. */
  sessionId: string
  /** What the events up to this one did to the files is in it. */
  seq: number
  /** When it was made, RFC 3339. */
  createdAt: string
  /** Files in it. */
  files: number
  /** Their bytes. */
  bytes: number
  /** Bytes that were new. */
  addedBytes: number
  /** When its files were last found to be damaged, RFC 3339; absent as long as they are not. */
  damagedAt?: string
}

/** A session as the server last showed it. */
export interface SessionData {
  /** Its id. */
  id: string
  /** What it is doing. */
  status: SessionStatus
  /** The highest `seq` of its log. */
  head?: number
  /** The `seq` up to which the agent has read. */
  inputCursor?: number
  /** The agent it runs. */
  agentId?: string
  /** The agent as it was when the session began; the session keeps to it. */
  agentSnapshot?: {
    promptHash?: string
    model?: string
    runtime?: string
    revision?: number
    /** What its sandboxes may reach, if its stores do not narrow it. */
    egress?: Egress
    /** The secret stores, by name, whose secrets its sandboxes get as sealed tokens. */
    secretStores?: string[]
  }
  /** Where its model's key comes from: `managed` or a credential's id. */
  credentialId?: string
  /** Its newest turn. */
  lastTurn?: LastTurn | null
  /** What its finished turns used. */
  usage?: SessionUsage
  /** What it waits on; null at rest, but for a question to the user. */
  waitingOn?: Waiting | null
  /** What it may use at most, as it holds now. */
  limits?: Limits | null
  /** The newest checkpoint of its sandbox's files. */
  checkpoint?: { id: string; seq: number; createdAt: string } | null
  /** The session it was forked from, and the last event they share. */
  forkedFrom?: { sessionId: string; seq: number } | null
  /** What the caller attached when it was made. */
  metadata?: Record<string, unknown> | null
  /** The key it was made with. */
  key?: string | null
  /** When it was made, RFC 3339. */
  createdAt?: string
}

/** How to make a token for a browser. */
export interface ClientTokenOptions {
  /** What it allows; default both. */
  scopes?: Array<'read' | 'steer'>
  /** How long it holds, 60 to 86400 seconds; default 3600. */
  ttlSeconds?: number
}

/** One session: its log, its turns, its end. */
export class Session extends ClientSession {
  #data: SessionData
  /** Who is told of its events by webhook. */
  readonly destinations: Destinations
  /** What they were told. */
  readonly deliveries: Deliveries

  /** @internal Use `oc.sessions.create` or `oc.sessions.get`. */
  constructor(http: Http, data: SessionData, clientToken?: string) {
    super(http, data.id, clientToken)
    this.#data = data
    this.destinations = new Destinations(http, this.path())
    this.deliveries = new Deliveries(http, this.path())
  }

  /** What it was doing when last looked at; see `refresh`. */
  get status(): SessionStatus {
    return this.#data.status
  }

  /** Its newest turn when last looked at. */
  get lastTurn(): LastTurn | undefined {
    return this.#data.lastTurn ?? undefined
  }

  /** What the caller attached when it was made. */
  get metadata(): Record<string, unknown> | null {
    return this.#data.metadata ?? null
  }

  /** The whole record when last looked at. */
  get snapshot(): SessionData {
    return this.#data
  }

  /** Looks again. */
  async refresh(): Promise<this> {
    this.#data = await this.http.json('GET', this.path())
    return this
  }

  /** The log from `after` on, until the session rests: see `oc.sessions.stream`. */
  stream(options?: FollowUntilRest & { deltas?: false | undefined }): AsyncGenerator<Event, void, void>
  /** The same, with what the model is saying right now in between. */
  stream(options: FollowUntilRest): AsyncGenerator<Event | Delta, void, void>
  stream({ follow, ...options }: FollowUntilRest = {}): AsyncGenerator<Event | Delta, void, void> {
    return follow ? this.events(options) : untilRest(this.http, this.id, options)
  }

  /** One page of its turns, newest first. */
  turns(query: PageQuery = {}): Promise<ListPage<Turn>> {
    return this.http.json('GET', this.path('/turns'), { query })
  }

  /** One turn. */
  turn(turnId: string): Promise<Turn> {
    return this.http.json('GET', this.path(`/turns/${encodeURIComponent(turnId)}`))
  }

  /** What the newest turn came to. */
  result(): Promise<Result> {
    return this.http.json('GET', this.path('/result'))
  }

  /** Asks the running turn to stop; nothing happens if none runs. */
  cancel(): Promise<void> {
    return this.#end('/cancel')
  }

  /** Ends the session for good. Its log stays readable. */
  archive(): Promise<void> {
    return this.#end('/archive')
  }

  /** Changes its limits, also while a turn runs. */
  async update(change: { limits: LimitsChange }): Promise<this> {
    this.#data = await this.http.json('PATCH', this.path(), { body: change, repeatable: true })
    return this
  }

  /** The checkpoints of its sandbox's files that are kept, newest first. */
  async checkpoints(): Promise<Checkpoint[]> {
    const { data } = await this.http.json<{ data: Checkpoint[] }>('GET', this.path('/checkpoints'))
    return data
  }

  /** Erases it for good: log, files, tokens. What its forks share stays with them. */
  delete(): Promise<void> {
    return this.http.json('DELETE', this.path())
  }

  /** A token for this session alone, fit for a browser. */
  async mintClientToken(options: ClientTokenOptions = {}): Promise<string> {
    const body = { scopes: options.scopes, ttl: options.ttlSeconds }
    const answer = await this.http.json<{ clientToken?: string; token: string }>(
      'POST', this.path('/client-tokens'), { body }
    )
    return answer.clientToken ?? answer.token
  }

  /** Cancelling and archiving come to the same when they are done twice. */
  async #end(verb: string): Promise<void> {
    const answer = await this.http.json<SessionData | undefined>('POST', this.path(verb), { repeatable: true })
    if (answer?.id === this.id) this.#data = answer
  }
}
