/**
 * What can go wrong, as classes to catch. The class follows from the HTTP
 * status alone; the code and the message are the server's own.
 */

/** What the server says about a failure: the `error` object of its answer. */
export interface Problem {
  /** The kind of failure. */
  type?: string
  /** A sentence for people. */
  message?: string
  /** A word for programs, such as `no_credential`. */
  code?: string
  /** The request field at fault. */
  param?: string
  /** The request's id in the server's log. */
  request_id?: string
}

/** A call that failed. Every error the client throws about a call is one. */
export class OpenComputerError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number
  /** A word for programs, such as `no_credential`. */
  readonly code: string | undefined
  /** The kind of failure, as the server names it. */
  readonly type: string | undefined
  /** The request field at fault. */
  readonly param: string | undefined
  /** The request's id in the server's log: quote it when you ask for help. */
  readonly requestId: string | undefined

  constructor(status: number, problem: Problem | undefined, otherwise: string, cause?: unknown) {
    super(problem?.message || otherwise, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.status = status
    this.code = problem?.code
    this.type = problem?.type
    this.param = problem?.param
    this.requestId = problem?.request_id
  }
}

/** 401 or 403: no valid key, or a client token outside its session or scope. */
export class AuthError extends OpenComputerError {}

/** 404: no such thing, or it belongs to somebody else. */
export class NotFoundError extends OpenComputerError {}

/** 409: the request contradicts what is there already. */
export class ConflictError extends OpenComputerError {}

/** 422: a field is missing, wrong, or not supported; see `param`. */
export class ValidationError extends OpenComputerError {}

/** 429: too many requests. */
export class RateLimitError extends OpenComputerError {
  /** Seconds to wait before another try, if the server said so. */
  readonly retryAfter: number | undefined

  constructor(status: number, problem: Problem | undefined, otherwise: string, retryAfter?: number) {
    super(status, problem, otherwise)
    this.retryAfter = retryAfter
  }
}

/** No answer: the server could not be reached, or it fell silent. */
export class ConnectionError extends OpenComputerError {
  constructor(message: string, cause?: unknown) {
    super(0, undefined, message, cause)
  }
}

const BY_STATUS: Record<number, typeof OpenComputerError> = {
  401: AuthError,
  403: AuthError,
  404: NotFoundError,
  409: ConflictError,
  422: ValidationError
}

/** The error for an answer of this status. */
export function errorFor(status: number, problem?: Problem, retryAfter?: number): OpenComputerError {
  const otherwise = `the server answered ${status}`
  if (status === 429) return new RateLimitError(status, problem, otherwise, retryAfter)
  return new (BY_STATUS[status] ?? OpenComputerError)(status, problem, otherwise)
}
