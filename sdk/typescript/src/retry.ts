/** When to try again: the delays, and nothing else. */

/** The longest delay the client chooses by itself, in milliseconds. */
const LONGEST = 8000

/** Milliseconds before try number `attempt + 2`: `first`, doubled each time. */
export const backoff = (attempt: number, first: number) => Math.min(first * 2 ** attempt, LONGEST)

/** Whether another try may help an answer of this status; 0 is no answer. */
export const isPassing = (status: number) => status === 0 || status === 429 || status >= 500

/** The seconds of a `Retry-After` header, if there are any. */
export function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after'))
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined
}

/** Waits so many milliseconds, or until the signal fires. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
