/** The client: one server, one API key, everything the key allows. */
import { Agents } from './agents.js'
import { Credentials } from './credentials.js'
import { apiKey } from './environment.js'
import { ADDRESSES, type ConnectionOptions, Http } from './http.js'
import { Sessions } from './sessions.js'
import type { Usage, UsageQuery } from './usage.js'

/** How to reach the server, and as whom. */
export interface OpenComputerOptions extends ConnectionOptions {
  /** The API key. Default: `OPENCOMPUTER_API_KEY` of the environment. */
  apiKey?: string | undefined
}

/**
 * The client for a server or a script. In a browser, use `connectSession`
 * with a client token, so that the API key stays home.
 */
export class OpenComputer {
  /** What a session runs. */
  readonly agents: Agents
  /** Durable runs of an agent. */
  readonly sessions: Sessions
  /** Keys of model providers. */
  readonly credentials: Credentials

  readonly #http: Http

  /** Throws a `TypeError` if there is no key to be found. */
  constructor(options: OpenComputerOptions = {}) {
    const key = apiKey(options.apiKey)
    const http = new Http(key, options)
    this.#http = http
    this.agents = new Agents(http, new Http(key, options, ADDRESSES))
    this.sessions = new Sessions(http)
    this.credentials = new Credentials(http)
  }

  /** What the org used over a span of time; the last 30 days by day if not told else. */
  usage(query: UsageQuery = {}): Promise<Usage> {
    return this.#http.json('GET', '/usage', { query })
  }
}
