/** What was used up. A missing figure is unknown, not zero. */

interface Tokens {
  /** Tokens read at full price. */
  inputTokens?: number
  /** Tokens written. */
  outputTokens?: number
  /** Tokens put into the provider's cache. */
  cacheCreationInputTokens?: number
  /** Tokens read from the provider's cache. */
  cacheReadInputTokens?: number
  /** The four above, summed. */
  tokens?: number
  /** US dollars. */
  totalCostUsd?: number
  /** Whether the figures belong to this work alone. */
  attribution?: 'exact' | 'best_effort'
}

/** What one turn used. */
export interface TurnUsage extends Tokens {
  /** Whether the model's provider reported anything. */
  reported?: boolean
  /** False if the figures are a lower bound. */
  complete?: boolean
}

/** What the finished turns of a session used. */
export interface SessionUsage extends Tokens {
  /** Seconds during which turns ran. */
  activeSeconds?: number
  /** Turns whose usage is in the figures. */
  reportedTurns?: number
  /** Turns whose usage is not known. */
  unreportedTurns?: number
  /** False if the figures are a lower bound. */
  complete?: boolean
  /** Tokens that calls cut by a crash may have used; they count against the limits. */
  chargedTokens?: number
  /** What the active seconds cost, in US dollars. */
  costUsd?: number
}

/** What to report of an org's usage. */
export interface UsageQuery {
  /** From this moment on, RFC 3339; default: 30 days before `to`. */
  from?: string
  /** Before this moment, RFC 3339; default: now. */
  to?: string
  /** What a row stands for; default `day` (UTC). */
  groupBy?: 'agent' | 'session' | 'day'
}

/** What was used of one group. A turn counts where it ended. */
export interface UsageRow extends Tokens {
  /** An agent's or a session's id, or a day; null for the total. */
  group: string | null
  /** Turns that ended. */
  turns: number
  /** Seconds in which they ran. */
  activeSeconds: number
  /** Turns whose cost is not known. */
  unpricedTurns: number
  /** What the active seconds cost, in US dollars. */
  costUsd: number
  /** Seconds in which sandboxes ran. */
  sandboxSeconds: number
  /** The same, times the memory of each in GiB. */
  sandboxGibSeconds: number
}

/** Usage of an org over a span of time. */
export interface Usage {
  /** From when, included. */
  from: string
  /** Until when, excluded. */
  to: string
  /** What a row stands for. */
  groupBy: string
  /** The rows, in the order of their groups. */
  data: UsageRow[]
  /** All of them together. */
  total: UsageRow
}
