/**
 * Secret stores: named sets of secrets for sandboxes, which see sealed tokens in
 * their place. Values go in and never come out. The names are the published
 * package's.
 */
import { apiKey } from './environment.js'
import { NotFoundError } from './errors.js'
import { Http, SANDBOXES, segment } from './http.js'

/** A store, without its secrets. */
export interface SecretStoreInfo {
  /** Its id. */
  id: string
  /** Its owner. */
  orgId: string
  /** Its name; agents name it as their `secretStore`. */
  name: string
  /** Hosts that sandboxes with this store may reach; empty: all. */
  egressAllowlist: string[]
  /** When it was made, RFC 3339. */
  createdAt: string
  /** When it or one of its secrets was last changed, RFC 3339. */
  updatedAt: string
}

/** A secret, without its value. */
export interface SecretEntryInfo {
  /** Its id. */
  id: string
  /** Its store. */
  storeId: string
  /** The name of the variable in sandboxes. */
  name: string
  /** Hosts that may be given the value; empty: every host. */
  allowedHosts: string[]
  /** When it was first set, RFC 3339. */
  createdAt: string
  /** When it was last set, RFC 3339. */
  updatedAt: string
}

/** Which server, and as whom. */
export interface SecretStoreOpts {
  /** The API key. Default: `OPENCOMPUTER_API_KEY` of the environment. */
  apiKey?: string
  /** Where the API is. Default: `OPENCOMPUTER_API_URL`, else `http://127.0.0.1:8080`. */
  apiUrl?: string
}

/** What a new store needs. */
export interface CreateSecretStoreOpts extends SecretStoreOpts {
  /** One of a kind. */
  name: string
  /** Hosts that sandboxes with it may reach, as `api.example.com` or `*.example.com`; default: all. */
  egressAllowlist?: string[]
}

/** What to change about a store. */
export interface UpdateSecretStoreOpts extends SecretStoreOpts {
  /** Another name. */
  name?: string
  /** Other hosts, in place of all there are. */
  egressAllowlist?: string[]
}

const http = ({ apiKey: key, apiUrl }: SecretStoreOpts) => new Http(apiKey(key), { baseUrl: apiUrl }, SANDBOXES)
const path = (storeId: string) => `/secret-stores/${segment(storeId)}`
const secret = (storeId: string, name: string) => `${path(storeId)}/secrets/${segment(name)}`

/** All secret stores of the key's org. */
export class SecretStore {
  private constructor() {}

  /** Makes a store. */
  static create(opts: CreateSecretStoreOpts): Promise<SecretStoreInfo> {
    const { name, egressAllowlist } = opts
    return http(opts).json('POST', '/secret-stores', { body: { name, egressAllowlist } })
  }

  /** All of them, newest first. */
  static list(opts: SecretStoreOpts = {}): Promise<SecretStoreInfo[]> {
    return http(opts).json('GET', '/secret-stores')
  }

  /** One store. */
  static get(storeId: string, opts: SecretStoreOpts = {}): Promise<SecretStoreInfo> {
    return http(opts).json('GET', path(storeId))
  }

  /** Changes a store, for running sandboxes too. */
  static update(storeId: string, opts: UpdateSecretStoreOpts): Promise<SecretStoreInfo> {
    const { name, egressAllowlist } = opts
    return http(opts).json('PUT', path(storeId), { body: { name, egressAllowlist }, repeatable: true })
  }

  /** Removes a store and all its secrets; running sandboxes lose them at once. */
  static delete(storeId: string, opts: SecretStoreOpts = {}): Promise<void> {
    return http(opts).json('DELETE', path(storeId))
  }

  /** Sets a secret, for running sandboxes too. Without `allowedHosts` they stay as they are. */
  static async setSecret(
    storeId: string,
    name: string,
    value: string,
    opts: SecretStoreOpts & { allowedHosts?: string[] } = {}
  ): Promise<void> {
    const body = { value, allowedHosts: opts.allowedHosts }
    await http(opts).json('PUT', secret(storeId, name), { body, repeatable: true })
  }

  /** Removes a secret; one that is not there is no error. */
  static async deleteSecret(storeId: string, name: string, opts: SecretStoreOpts = {}): Promise<void> {
    try {
      await http(opts).json('DELETE', secret(storeId, name))
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
  }

  /** The secrets of a store, by name. */
  static listSecrets(storeId: string, opts: SecretStoreOpts = {}): Promise<SecretEntryInfo[]> {
    return http(opts).json('GET', `${path(storeId)}/secrets`)
  }
}
