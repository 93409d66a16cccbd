/** Where the server is and which key to use, when the caller does not say. */

/** The server that `oc serve` starts when it is told nothing. */
const LOCAL = 'http://127.0.0.1:8080'

/** A variable of the environment; undefined where there is none, as in a browser. */
function variable(name: string): string | undefined {
  const env = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env
  return env?.[name] || undefined
}

/** The API key: as given, else `OPENCOMPUTER_API_KEY`. */
export function apiKey(given?: string): string {
  const key = given || variable('OPENCOMPUTER_API_KEY')
  if (!key) throw new TypeError('no API key: set OPENCOMPUTER_API_KEY or pass { apiKey }')
  return key
}

/**
 * The base of a face of the API, such as `/v3`, without a slash at the end: as
 * given, else `OPENCOMPUTER_API_URL`, else the local server.
 */
export function apiBase(given?: string, face = '/v3'): string {
  const text = given || variable('OPENCOMPUTER_API_URL') || LOCAL
  if (!/^https?:\/\//.test(text)) throw new TypeError(`the server's address must start with http:// or https://, not "${text}"`)
  return text.replace(/\/+$/, '').replace(/\/(v3|api)$/, '') + face
}
