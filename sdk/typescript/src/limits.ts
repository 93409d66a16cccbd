/** What a session may use at most, and what happens to a call nobody knows the end of. */

/** Bounds of a session; those of an agent are the defaults for its sessions. */
export interface Limits {
  /** Tokens over all turns. */
  tokens?: number
  /** US dollars over all model calls; takes a model whose price the server knows. */
  usd?: number
  /** Seconds one turn may take. */
  turnSeconds?: number
  /** Turns that run without somebody asking for each. */
  turns?: number
  /** Model calls in one turn. */
  steps?: number
  /** Times in a row that a turn at its deadline goes on in a new one by itself, 0 to 100. */
  autoContinue?: number
}

/** Other limits: what is left out stays, null takes a limit away. */
export type LimitsChange = { [L in keyof Limits]?: Limits[L] | null }

/** What all sessions of an agent together may use; days and months are UTC. */
export interface Caps {
  /** Tokens in a day. */
  tokensPerDay?: number
  /** Tokens in a month. */
  tokensPerMonth?: number
  /** US dollars in a day. */
  usdPerDay?: number
  /** US dollars in a month. */
  usdPerMonth?: number
}

/**
 * What becomes of a tool call whose outcome is unknown after a crash: the model
 * is told (`report`), or it is run again (`retry`). For every tool, or by tool;
 * `*` is every tool that is not named.
 */
export type OnInterrupt = 'report' | 'retry' | Record<string, 'report' | 'retry'>
