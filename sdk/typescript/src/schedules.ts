/** Schedules: what begins sessions of one agent at set times. */
import { type Http, segment } from './http.js'
import type { Caps } from './limits.js'
import type { PageQuery } from './page.js'
import type { Waiting } from './session.js'

/** What becomes of a slot while the session before still works. */
export type Overlap = 'skip' | 'allow'

/** A schedule. */
export interface Schedule {
  /** Its id. */
  id: string
  /** The agent whose sessions it begins. */
  agentId: string
  /** Its name, unique among those of the agent. */
  name: string
  /** Minute, hour, day of month, month, day of week. */
  cron: string
  /** The time zone that is meant; null: UTC. */
  tz: string | null
  /** What each session is told first. */
  input: string
  /** What becomes of a slot while the session before still works. */
  overlap: Overlap | (string & {})
  /** What all its sessions together may use. */
  caps?: Caps
  /** `auto_paused`: it failed five times in a row. */
  state: 'active' | 'paused' | 'auto_paused' | (string & {})
  /** The slot that comes next, RFC 3339. */
  nextFireAt: string | null
  /** When it fired last, RFC 3339. */
  lastFiredAt: string | null
  /** Slots in a row whose session could not be made. */
  consecutiveFailures: number
  /** Why the last session could not be made, if it could not. */
  lastError: string | null
  /** What it waits on; null while it rests. */
  waitingOn?: Waiting | null
  /** When it was made, RFC 3339. */
  createdAt: string
  /** When it was changed, RFC 3339. */
  updatedAt: string
}

/** What became of one firing. */
export interface ScheduleRun {
  /** Its id. */
  id: string
  /** The schedule. */
  scheduleId: string
  /** The slot, RFC 3339; null: somebody fired it by hand. */
  scheduledFor: string | null
  /** When it fired, RFC 3339. */
  firedAt: string
  /** Whether a session was begun. */
  outcome: 'enacted' | 'skipped' | 'failed' | (string & {})
  /** The session it began. */
  sessionId: string | null
  /** Why it began none. */
  error: string | null
}

/** What a new schedule needs. */
export interface CreateScheduleParams {
  /** Small letters, digits and `-`. */
  name: string
  /** Minute, hour, day of month, month, day of week: `0 9 * * MON-FRI`. */
  cron: string
  /** An IANA time zone; default: UTC. */
  tz?: string | null
  /** What each session is told first, at most 32 KiB. */
  input: string
  /** Default `skip`. */
  overlap?: Overlap
  /** What all its sessions together may use. */
  caps?: Caps
}

/** What to change; what is left out stays. */
export interface UpdateScheduleParams {
  /** Another expression; the next slot is computed from now. */
  cron?: string
  /** Another time zone, null: UTC; the next slot is computed from now. */
  tz?: string | null
  /** Another first message. */
  input?: string
  /** Another rule for overlaps. */
  overlap?: Overlap
  /** Other caps, in place of all there are; null: none. They hold for running sessions, too. */
  caps?: Caps | null
  /** Whether it is to rest; false goes on from now, and forgets failures before. */
  paused?: boolean
}

/** The schedules of agents. */
export class Schedules {
  readonly #http: Http

  /** @internal */
  constructor(http: Http) {
    this.#http = http
  }

  /** Makes a schedule. */
  create(agent: string, params: CreateScheduleParams): Promise<{ schedule: Schedule }> {
    return this.#http.json('POST', path(agent), { body: params })
  }

  /** All schedules of an agent, by name. */
  list(agent: string): Promise<{ schedules: Schedule[] }> {
    return this.#http.json('GET', path(agent))
  }

  /** One schedule. */
  get(agent: string, schedule: string): Promise<{ schedule: Schedule }> {
    return this.#http.json('GET', path(agent, schedule))
  }

  /** Changes a schedule; sessions it began keep what they were born with. */
  update(agent: string, schedule: string, params: UpdateScheduleParams): Promise<{ schedule: Schedule }> {
    return this.#http.json('PATCH', path(agent, schedule), { body: params })
  }

  /** Deletes a schedule; its runs and sessions stay. */
  delete(agent: string, schedule: string): Promise<void> {
    return this.#http.json('DELETE', path(agent, schedule), { repeatable: true })
  }

  /** Fires a schedule now, whatever its state. A session that cannot be made is told by `outcome`. */
  fire(agent: string, schedule: string): Promise<{ run: ScheduleRun }> {
    return this.#http.json('POST', `${path(agent, schedule)}/fire`)
  }

  /** One page of what became of each firing, newest first; also of a deleted schedule. */
  runs(agent: string, schedule: string, query: PageQuery = {}): Promise<{ runs: ScheduleRun[]; nextCursor: string | null }> {
    return this.#http.json('GET', `${path(agent, schedule)}/runs`, { query })
  }
}

const path = (agent: string, schedule?: string) =>
  `/agents/${segment(agent)}/schedules${schedule === undefined ? '' : `/${segment(schedule)}`}`
