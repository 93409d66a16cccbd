/** A turn: from input to rest. */
import type { Event } from './event.js'
import type { TurnUsage } from './usage.js'

/** How far a turn is. */
export type TurnState = 'queued' | 'accepted' | 'running' | 'ok' | 'error'

/** Why a turn came to rest. */
export type YieldReason =
  | 'completed'
  | 'needs_input'
  | 'error'
  | 'budget_exceeded'
  | 'deadline_exceeded'
  | 'max_turns'
  | 'canceled'

/** One turn of a session. */
export interface Turn {
  /** Its id. */
  id: string
  /** How far it is. */
  state?: TurnState
  /** Why it came to rest; null while it is open. */
  yieldReason?: YieldReason | null
  /** The event that holds its result. */
  resultEventId?: string | null
  /** What went wrong. */
  error?: unknown
  /** When it began, RFC 3339. */
  startedAt?: string | null
  /** When it came to rest, RFC 3339. */
  completedAt?: string | null
  /** Which attempt this is. */
  attempt?: number
  /** Seconds it ran. */
  activeSeconds?: number
  /** What it used. */
  usage?: TurnUsage
}

/** The newest turn, as a session shows it: often only the first few fields. */
export type LastTurn = Partial<Turn>

/** What the newest turn came to. */
export interface Result {
  /** The newest turn; null before the first. */
  lastTurn?: Turn | null
  /** The event that holds its result; null while there is none. */
  result?: Event | null
}
