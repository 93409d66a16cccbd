/**
 * Between the wire (snake_case) and JavaScript (camelCase). What belongs to
 * the caller is carried untouched in both directions, its keys included.
 */

/** Parts of an answer that are somebody's own and stay as they are. */
const OWN_IN_ANSWERS = new Set(['raw', 'payload', 'metadata', 'refs', 'vars'])

/** Parts of a request that are the caller's own and stay as they are. */
const OWN_IN_REQUESTS = new Set(['raw', 'body', 'metadata', 'refs', 'vars', 'input'])

/** Numbers that some servers send as text, to survive beyond 2^53. */
const NUMBERS = new Set([
  'seq', 'head', 'inputCursor', 'inputFromSeq', 'inputToSeq', 'exitCode', 'bytes', 'port',
  'numTurns', 'revision', 'tokens', 'turnSeconds', 'turns', 'attempts', 'responseCode'
])

const toCamel = (key: string) => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** The wire's spelling of a name. */
export const toSnake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const isNumeral = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))

/** An answer of the server, spelled as JavaScript does. */
export function fromWire(value: unknown): unknown {
  return respell(value, (wireKey, child) => {
    const key = toCamel(wireKey)
    if (OWN_IN_ANSWERS.has(key)) return [key, child]
    return [key, NUMBERS.has(key) && isNumeral(child) ? Number(child) : fromWire(child)]
  })
}

/** A request's body, spelled as the wire does. */
export function toWire(value: unknown): unknown {
  return respell(value, (ownKey, child) => {
    const key = toSnake(ownKey)
    return [key, OWN_IN_REQUESTS.has(key) ? child : toWire(child)]
  })
}

function respell(value: unknown, entry: (key: string, child: unknown) => [string, unknown]): unknown {
  if (Array.isArray(value)) return value.map((item) => respell(item, entry))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, child]) => entry(key, child)))
}
