/** Hooks: addresses that begin sessions of one agent for whoever knows them. */
import { type Http, segment } from './http.js'
import type { Caps } from './limits.js'
import type { Page, PageQuery } from './page.js'

/** A hook, without its token. */
export interface Hook {
  /** Its id. */
  id: string
  /** The agent whose sessions it begins. */
  agentId: string
  /** Its name; that of one hook of the agent at a time. */
  name: string
  /** Whether it opens anything. */
  status: 'active' | 'expired' | 'revoked' | (string & {})
  /** The last characters of its token. */
  secretLast4: string
  /** Why it was revoked. */
  revokedReason: 'manual' | 'secret_exposure' | (string & {}) | null
  /** What all its sessions together may use. */
  caps?: Caps
  /** From when on it opens nothing, RFC 3339. */
  expiresAt: string | null
  /** When it was made, RFC 3339. */
  createdAt: string
}

/** What a new hook needs. */
export interface CreateHookParams {
  /** Lower-case letters, digits and `-`. */
  name: string
  /** From when on it opens nothing, RFC 3339; default: never. */
  expiresAt?: string | null
  /** What all its sessions together may use. */
  caps?: Caps
}

/** Which hooks. */
export interface HookQuery extends PageQuery {
  /** Revoked ones, too. */
  includeRevoked?: boolean
}

/** The hooks of agents. */
export class Hooks {
  readonly #http: Http

  /** @internal */
  constructor(http: Http) {
    this.#http = http
  }

  /** Makes a hook. `hookUrl` is the secret itself: keep it now, it is not told again. */
  create(agent: string, params: CreateHookParams): Promise<{ hook: Hook; hookUrl: string }> {
    return this.#http.json('POST', path(agent), { body: params })
  }

  /** One page of an agent's hooks, newest first. */
  list(agent: string, query: HookQuery = {}): Promise<Page<Hook>> {
    return this.#http.json('GET', path(agent), { query })
  }

  /** One hook. */
  get(agent: string, hook: string): Promise<Hook> {
    return this.#http.json('GET', path(agent, hook))
  }

  /** Gives a hook other caps, in place of all there are; null: none. They hold for running sessions, too. */
  update(agent: string, hook: string, params: { caps?: Caps | null }): Promise<Hook> {
    return this.#http.json('PATCH', path(agent, hook), { body: params })
  }

  /** Revokes a hook, for good; its sessions go on. */
  delete(agent: string, hook: string): Promise<void> {
    return this.#http.json('DELETE', path(agent, hook), { repeatable: true })
  }
}

const path = (agent: string, hook?: string) =>
  `/agents/${segment(agent)}/hooks${hook === undefined ? '' : `/${segment(hook)}`}`
