/** Bounds a wait: by the caller's signal, and by a clock that can be set anew. */

/** A signal that fires when the caller's does, or when time is up. */
export class Deadline {
  /** What took too long, once time was up. */
  missed: string | undefined
  readonly #abort = new AbortController()
  readonly #caller: AbortSignal | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(caller?: AbortSignal) {
    this.#caller = caller
    if (caller?.aborted) this.#cancel()
    else caller?.addEventListener('abort', this.#cancel)
  }

  /** The signal to hand on. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Sets the clock: it fires in `ms` unless it is set anew or stopped. */
  within(ms: number, what: string): void {
    this.stop()
    this.#timer = setTimeout(() => {
      this.missed = `${what} within ${ms} ms`
      this.#abort.abort()
    }, ms)
  }

  /** Stops the clock; the caller's signal still counts. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Stops the clock and lets go of the caller's signal. */
  clear(): void {
    this.stop()
    this.#caller?.removeEventListener('abort', this.#cancel)
  }

  readonly #cancel = () => this.#abort.abort(this.#caller?.reason)
}
