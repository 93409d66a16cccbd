/** What a session may use at most. */

/** Bounds of a session; those of an agent are the defaults for its sessions. */
export interface Limits {
  /** Tokens over all turns. */
  tokens?: number
  /** Seconds one turn may take. */
  turnSeconds?: number
  /** Turns that run without somebody asking for each. */
  turns?: number
}
