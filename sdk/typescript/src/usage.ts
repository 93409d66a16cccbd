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
}
