/** How long a broken stream is worth coming back to. */
import { type OpenComputerError, RateLimitError } from './errors.js'
import type { Patience } from './http.js'
import { backoff, isPassing } from './retry.js'

/** Counts what goes wrong between two good moments of a stream. */
export class Outage {
  readonly #patience: Patience
  #attempts = 0
  #everOpen = false
  #since: number | undefined

  constructor(patience: Patience) {
    this.#patience = patience
  }

  /** The stream is open. */
  opened(): void {
    this.#everOpen = true
    this.#since = undefined
  }

  /** The stream brought something new. */
  progressed(): void {
    this.#attempts = 0
  }

  /** The stream ended well: milliseconds to wait before it is opened again. */
  ended(): number {
    return backoff(this.#attempts++, this.#patience.retryDelayMs)
  }

  /**
   * The stream broke: milliseconds to wait before it is opened again. Throws
   * the error if waiting does not help: it never opened, or not for too long.
   */
  broke(error: OpenComputerError): number {
    this.#since ??= Date.now()
    const { maxRetries, reconnectMs, retryDelayMs } = this.#patience
    const hopeless = this.#everOpen ? Date.now() - this.#since > reconnectMs : this.#attempts >= maxRetries
    if (hopeless || !isPassing(error.status)) throw error
    const told = error instanceof RateLimitError ? error.retryAfter : undefined
    return told ? told * 1000 : backoff(this.#attempts++, retryDelayMs)
  }
}
