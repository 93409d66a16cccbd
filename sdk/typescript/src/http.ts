/**
 * One call to the server: authorisation, spelling, deadline, retries, errors.
 * It knows no noun of the API.
 */
import { fromWire, toSnake, toWire } from './casing.js'
import { Deadline } from './deadline.js'
import { apiBase } from './environment.js'
import { ConnectionError, OpenComputerError, errorFor, type Problem } from './errors.js'
import { backoff, isPassing, pause, retryAfter } from './retry.js'

/** How to reach the server. */
export interface ConnectionOptions {
  /** Where the API is, with or without `/v3`. Default: `OPENCOMPUTER_API_URL`, else `http://127.0.0.1:8080`. */
  baseUrl?: string | undefined
  /** Another `fetch` than the global one. */
  fetch?: typeof fetch | undefined
  /** How often a call that may be repeated is repeated. Default 2. */
  maxRetries?: number | undefined
  /** Milliseconds before the first repetition; doubled each time, at most 8000. Default 500. */
  retryDelayMs?: number | undefined
  /** Milliseconds one attempt of a call may take. Default 60000. */
  timeoutMs?: number | undefined
  /** Milliseconds a stream may be silent before it is taken for dead and opened again. Default 60000. */
  silenceMs?: number | undefined
  /** Milliseconds a broken stream keeps trying to come back before it fails. Default 300000. */
  reconnectMs?: number | undefined
}

/** How patient the client is; see `ConnectionOptions`. */
export interface Patience {
  maxRetries: number
  retryDelayMs: number
  timeoutMs: number
  silenceMs: number
  reconnectMs: number
}

/** What a call carries. */
export interface Call {
  /** Query parameters, in camelCase; undefined ones are left out. */
  query?: object | undefined
  /** The JSON body, in camelCase. */
  body?: unknown
  /** Any JSON as the body: the caller's own, and sent as it is. */
  payload?: unknown
  /** A zip archive as the body. */
  zip?: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | undefined
  /** Sent as `Idempotency-Key`. */
  idempotencyKey?: string | undefined
  /** Whether a write may be sent again after a failure. Reads always may. */
  repeatable?: boolean | undefined
  /** Gives the call up. */
  signal?: AbortSignal | undefined
}

/** One of the server's APIs. */
interface Face {
  path: string
  /** Whether it is spelled as JavaScript is, so that nothing is to be respelled. */
  plain: boolean
}

const SESSIONS: Face = { path: '/v3', plain: false }
/** The agents' own addresses. */
export const ADDRESSES: Face = { path: '/agents', plain: false }
/** The API of sandboxes and what they are given. */
export const SANDBOXES: Face = { path: '/api', plain: true }

/** The way to one server with one key. */
export class Http {
  readonly base: string
  readonly #plain: boolean
  readonly patience: Patience
  readonly #key: string
  readonly #fetch: typeof fetch

  constructor(key: string, options: ConnectionOptions = {}, face = SESSIONS) {
    const { fetch = globalThis.fetch } = options
    if (!fetch) throw new TypeError('there is no global fetch here: pass { fetch }')
    this.#key = key
    this.#fetch = fetch.bind(globalThis)
    this.#plain = face.plain
    this.base = apiBase(options.baseUrl, face.path)
    this.patience = {
      maxRetries: options.maxRetries ?? 2,
      retryDelayMs: options.retryDelayMs ?? 500,
      timeoutMs: options.timeoutMs ?? 60_000,
      silenceMs: options.silenceMs ?? 60_000,
      reconnectMs: options.reconnectMs ?? 300_000
    }
  }

  /** Calls and returns the answer, in camelCase; undefined for 204. */
  async json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const text = await this.text(method, path, call)
    if (text === undefined) return undefined as T
    try {
      const answer: unknown = JSON.parse(text)
      return (this.#plain ? answer : fromWire(answer)) as T
    } catch (cause) {
      throw new OpenComputerError(200, undefined, `${this.base} does not answer in JSON: is it the API?`, cause)
    }
  }

  /** Calls and returns the answer as it came; undefined for 204. */
  async text(method: string, path: string, call: Call = {}): Promise<string | undefined> {
    const may = method === 'GET' || call.repeatable === true
    const [url, init] = [this.#url(path, call.query), this.#init(method, call)]
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(url, init, call.signal)
      if ('text' in outcome) return outcome.text
      const { error, delayMs } = outcome
      if (!may || !isPassing(error.status) || attempt >= this.patience.maxRetries) throw error
      await pause(delayMs ?? backoff(attempt, this.patience.retryDelayMs), call.signal)
      if (call.signal?.aborted) throw call.signal.reason
    }
  }

  /** Opens a stream. The deadline's clock runs until its head is there. */
  async open(path: string, query: object, deadline: Deadline): Promise<Response> {
    deadline.within(this.patience.timeoutMs, `no answer from ${this.base}`)
    const init = this.#init('GET', {}, { Accept: 'text/event-stream' })
    const response = await this.#fetch(this.#url(path, query), { ...init, signal: deadline.signal })
    deadline.stop()
    if (!response.ok) throw await this.#failure(response)
    return response
  }

  /** The error for a call that got no answer, or only half of one. */
  unreachable(cause: unknown, missed?: string): ConnectionError {
    return new ConnectionError(missed ?? `cannot reach ${this.base}: is the server running?`, cause)
  }

  async #attempt(url: string, init: RequestInit, signal?: AbortSignal): Promise<Outcome> {
    const deadline = new Deadline(signal)
    deadline.within(this.patience.timeoutMs, `no answer from ${this.base}`)
    try {
      const response = await this.#fetch(url, { ...init, signal: deadline.signal })
      if (response.ok) return { text: response.status === 204 ? undefined : await response.text() }
      const seconds = retryAfter(response.headers)
      return { error: await this.#failure(response), delayMs: seconds && seconds * 1000 }
    } catch (cause) {
      if (signal?.aborted) throw signal.reason
      return { error: this.unreachable(cause, deadline.missed) }
    } finally {
      deadline.clear()
    }
  }

  #init(method: string, call: Call, extra: Record<string, string> = {}): RequestInit {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#key}`, ...extra }
    if (call.idempotencyKey) headers['Idempotency-Key'] = call.idempotencyKey
    if (call.zip !== undefined) {
      headers['Content-Type'] = 'application/zip'
      return { method, headers, body: call.zip }
    }
    if (call.body === undefined && call.payload === undefined) return { method, headers }
    headers['Content-Type'] = 'application/json'
    if (call.payload !== undefined) return { method, headers, body: JSON.stringify(call.payload) }
    return { method, headers, body: JSON.stringify(this.#plain ? call.body : toWire(call.body)) }
  }

  #url(path: string, query: object = {}): string {
    const url = new URL(this.base + path)
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(toSnake(key), String(value))
    }
    return url.href
  }

  async #failure(response: Response): Promise<OpenComputerError> {
    const body = await response.json().catch(() => undefined) as { error?: Problem | string; code?: string } | undefined
    return errorFor(response.status, problemOf(body?.error, body?.code), retryAfter(response.headers))
  }
}

/** What a failure says: an object, or a sentence with a word for programs beside it. */
function problemOf(error: Problem | string | undefined, code: string | undefined): Problem | undefined {
  if (typeof error !== 'string') return error
  return code === undefined ? { message: error } : { message: error, code, type: code }
}

/** How one attempt of a call ended. */
type Outcome = { text: string | undefined } | { error: OpenComputerError; delayMs?: number | undefined }

/** One segment of a path, whatever is in it. */
export const segment = (id: string) => encodeURIComponent(id)
