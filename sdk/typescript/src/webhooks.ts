/** Who is told of a session's events by webhook, and what they were told. */
import type { Level } from './event.js'
import { type Http, segment } from './http.js'
import type { Page } from './page.js'

/** A receiver of a session's events. */
export interface Destination {
  /** Its id. */
  id: string
  /** The session it is told of. */
  session: string
  /** How it is told. */
  kind: 'webhook' | (string & {})
  /** Where webhooks go. */
  url: string
  /** Events of this level and those more public are told. */
  level: Level
  /** The types it is told of; null for all. */
  types: string[] | null
  /** Whether `body.raw` is told, too. */
  includeRaw: boolean
  /** Whether it is told anything now. */
  enabled: boolean
  /** Whether what it is sent is signed. */
  hasSecret: boolean
  /** Only events beyond this one are told. */
  createdAfterSeq: number
  /** That its last attempts failed; null while it does well. */
  failing?: { since: string; attempts: number; error: string } | null
  /** When it was made, RFC 3339. */
  createdAt: string
  /** When it was last changed, RFC 3339. */
  updatedAt: string
}

/** What a destination is to be. */
export interface DestinationParams {
  /** Where webhooks go: `https://…`. */
  url: string
  /** What signs; give it to `verifyWebhook`. Without it nothing is signed. */
  secret?: string
  /** Default: `user`. */
  level?: Level
  /** Types such as `agent.message` or `turn.*`; default: all. */
  types?: string[] | null
  /** Default: false. */
  includeRaw?: boolean
  /** Default: true. */
  enabled?: boolean
}

/** What of a destination is to be another; a new secret leaves the old one good for a day. */
export type DestinationChange = Partial<Omit<DestinationParams, 'secret'>> & { secret?: string | null }

/** One event for one destination. */
export interface Delivery {
  /** Its id. */
  id: string
  /** The session. */
  session: string
  /** The destination. */
  destination: string
  /** The event: what `webhook-id` says. */
  eventId: string
  /** The event's number. */
  eventSeq: number
  /** `failed` ones are tried again, a `dead_letter` is not. */
  status: 'pending' | 'delivering' | 'delivered' | 'failed' | 'dead_letter'
  /** Attempts made. */
  attempts: number
  /** When the last one was made, RFC 3339. */
  lastAttemptAt: string | null
  /** When the next one is due, RFC 3339. */
  nextAttemptAt?: string | null
  /** The status of the receiver's last answer. */
  responseCode?: number | null
  /** Why the last attempt failed. */
  error?: string | null
  /** When it was queued, RFC 3339. */
  createdAt: string
  /** When it last changed, RFC 3339. */
  updatedAt: string
}

/** Which deliveries of a session. */
export interface DeliveryQuery {
  /** To this destination. */
  destination?: string
  /** In this state. */
  status?: Delivery['status']
  /** Behind this delivery: its id, or the last page's `nextCursor`. */
  after?: string | null
  /** How many to a page. */
  limit?: number
}

/** The destinations of one session. */
export class Destinations {
  readonly #http: Http
  readonly #path: string

  /** @internal */
  constructor(http: Http, session: string) {
    this.#http = http
    this.#path = `${session}/destinations`
  }

  /** Tells an address of everything that comes from now on. */
  create(params: DestinationParams): Promise<Destination> {
    return this.#http.json('POST', this.#path, { body: params })
  }

  /** All of them, newest first. */
  async list(): Promise<Destination[]> {
    return (await this.#http.json<{ data: Destination[] }>('GET', this.#path)).data
  }

  /** One of them. */
  get(id: string): Promise<Destination> {
    return this.#http.json('GET', this.#one(id))
  }

  /** Changes one, also for what is already queued. */
  update(id: string, change: DestinationChange): Promise<Destination> {
    return this.#http.json('PATCH', this.#one(id), { body: change, repeatable: true })
  }

  /** Deletes one with its secret and what was still to be sent. */
  delete(id: string): Promise<void> {
    return this.#http.json('DELETE', this.#one(id))
  }

  #one(id: string): string {
    return `${this.#path}/${segment(id)}`
  }
}

/** What the destinations of one session were told. */
export class Deliveries {
  readonly #http: Http
  readonly #path: string

  /** @internal */
  constructor(http: Http, session: string) {
    this.#http = http
    this.#path = `${session}/deliveries`
  }

  /** One page, those of the newest events first. */
  list(query: DeliveryQuery = {}): Promise<Page<Delivery>> {
    return this.#http.json('GET', this.#path, { query: { ...query, after: query.after ?? undefined } })
  }

  /** One of them. */
  get(id: string): Promise<Delivery> {
    return this.#http.json('GET', `${this.#path}/${segment(id)}`)
  }

  /** Sends one again, whatever became of it, with the same `webhook-id`. */
  redeliver(id: string): Promise<Delivery> {
    return this.#http.json('POST', `${this.#path}/${segment(id)}/redeliver`)
  }
}
