/** Credentials: keys of model providers. They go in and never come out. */
import { type Http, segment } from './http.js'
import type { Page } from './page.js'

/** The id of a credential. */
export type CredentialId = `cred_${string}`

/** Where a model's key comes from. */
export type CredentialRef = 'managed' | CredentialId

/** A stored key, without the key. */
export interface Credential {
  /** Its id. */
  id: CredentialId
  /** Whose key it is. */
  provider: string
  /** A name for people. */
  name?: string | null
  /** The last four characters of the key. */
  last4?: string
  /** Whether agents without a credential use it. */
  isDefault?: boolean
  /** When it was stored, RFC 3339. */
  createdAt?: string
}

/** What a new credential needs. */
export interface CreateCredentialParams {
  /** Whose key it is; default `anthropic`. */
  provider?: 'anthropic' | 'openai' | (string & {})
  /** The key. */
  key: string
  /** A name for people. */
  name?: string
  /** Whether agents without a credential use it. */
  isDefault?: boolean
}

/** All credentials of the key's org. */
export class Credentials {
  readonly #http: Http

  /** @internal */
  constructor(http: Http) {
    this.#http = http
  }

  /** Stores a key. */
  create(params: CreateCredentialParams): Promise<Credential> {
    return this.#http.json('POST', '/credentials', { body: params })
  }

  /** All of them. */
  async list(): Promise<Credential[]> {
    const answer = await this.#http.json<Page<Credential> | Credential[]>('GET', '/credentials')
    return Array.isArray(answer) ? answer : answer.data
  }

  /** Replaces the key behind a credential; running sessions use the new one. */
  rotate(id: string, key: string): Promise<Credential> {
    return this.#http.json('PATCH', `/credentials/${segment(id)}`, { body: { key } })
  }

  /** Makes a credential its provider's default. */
  async setDefault(params: { credential: string; provider?: string }): Promise<void> {
    await this.#http.json('PUT', '/credentials/default', { body: params, repeatable: true })
  }

  /** Removes a credential. */
  delete(id: string): Promise<void> {
    return this.#http.json('DELETE', `/credentials/${segment(id)}`)
  }
}
