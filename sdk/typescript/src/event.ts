/** An event: one fact of a session's log, numbered, never changed. */
import type { Limits } from './limits.js'
import type { Waiting } from './session.js'
import type { TurnUsage } from './usage.js'
import type { YieldReason } from './turn.js'

/** Who an event is for. Asking for one level also gives those above it. */
export type Level = 'user' | 'progress' | 'internal'

/** Who caused an event. */
export interface Actor {
  /** Their id. */
  id?: string
  /** What kind of actor. */
  type?: 'human' | 'agent' | 'system' | (string & {})
  /** A name to show. */
  display?: string
}

/** What every event has. */
export interface EventBase {
  /** Its id. */
  id: string
  /** Its place in the log, from 1, without gaps. */
  seq: number
  /** When it was written, RFC 3339. */
  ts: string
  /** The session it belongs to. */
  session: string
  /** Who caused it. */
  actor: Actor
  /** Who it is for. */
  level: Level
  /** Where it came from, if from outside: `http`. */
  source?: string
  /** The turn it belongs to. */
  turnId?: string
  /** Set if the body was too large to be sent: fetch it with `eventContent`. */
  contentRef?: string
  /** Whether the body here is only a part. */
  bodyTruncated?: boolean
  /** Bytes of the whole body. */
  bodyBytes?: number
  /** Where it came from, in the sender's own words. */
  refs: Record<string, unknown>
}

/** The bodies of the events one usually cares about. */
export interface Bodies {
  'user.message': { text: string; raw?: unknown }
  'http.request': { payload: unknown }
  'agent.message': { text: string; code?: string }
  'turn.started': { turnId: string; inputFromSeq?: number; inputToSeq?: number }
  'turn.completed': {
    turnId: string
    yieldReason: YieldReason
    resultEventId?: string
    usage?: TurnUsage
    error?: { code: string; message: string }
  }
  'tool.call': { tool: string; argsSummary?: string }
  'exec.completed': { command: string; exitCode: number; summary?: string; contentRef?: string; bytes?: number }
  'tool.indeterminate': {
    tool: string
    command: string
    startedAt?: string
    outputSoFar?: string
    checkpoint?: { id: string; seq: number; at: string }
  }
  'session.waiting': Waiting
  'session.recovered': { reason: 'lease_expired' | 'restarted' | 'stuck' | 'panicked' | (string & {}); epoch: number }
  'session.continued': { number: number; of: number }
  'session.limits_changed': { limits: Limits }
  'session.forked': { fromSession: string; atSeq: number; checkpoint?: { id: string; seq: number; at: string } | null }
  'checkpoint.created': { checkpointId: string; why: string; files: number; bytes: number; addedBytes: number; asOfSeq: number }
  'sandbox.hibernated': { checkpointId: string }
  'sandbox.restored': {
    checkpointId: string | null
    asOfSeq: number
    madeAt?: string
    reason: string
    skipped?: string[]
  }
  'preview.url': { url: string; port?: number }
}

type Known = { [T in keyof Bodies]: EventBase & { type: T; body: Bodies[T] } }[keyof Bodies]

/** One fact. New types may come: show what you do not know by its `text` or `summary`. */
export type Event = Known | (EventBase & { type: string; body: Record<string, any> })

/** Whether an event's type is the one asked for: exact, `prefix.*` or `*.suffix`. */
export function isOfType(type: string, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === '*') return true
  if (wanted.endsWith('.*')) return type.startsWith(wanted.slice(0, -1))
  if (wanted.startsWith('*.')) return type.endsWith(wanted.slice(1))
  return type === wanted
}
