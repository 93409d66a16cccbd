/** Agents: what a session runs. */
import type { CredentialRef } from './credentials.js'
import { Hooks } from './hooks.js'
import { type Http, segment } from './http.js'
import { freshKey } from './idempotency.js'
import type { Caps, Limits, OnInterrupt } from './limits.js'
import type { Page, PageQuery } from './page.js'
import { Schedules } from './schedules.js'

/** Which engine runs the agent. */
export type Runtime = 'native' | 'claude' | 'codex' | 'claude-agent-sdk' | 'pi' | (string & {})

/** What sandboxes may reach: the public internet, nothing, or these hosts (`api.example.com`, `*.example.com`). */
export type Egress = 'open' | 'none' | { allowlist: string[] }

/** An agent. */
export interface Agent {
  /** Its id. */
  id: string
  /** Its name, one of a kind. */
  name: string
  /** Its instructions. */
  prompt?: string | null
  /** A hash of them. */
  promptHash?: string | null
  /** Its model. */
  model: string
  /** Its engine. */
  runtime: Runtime
  /** The number of its active revision. */
  revision?: number
  /** The revision new sessions run. */
  activeRevision?: { id: string; number: number; digest: string } | null
  /** The id of that revision. */
  activeRevisionId?: string | null
  /** Where its model's key comes from; null: the org's default. */
  credentialId?: CredentialRef | null
  /** What its sessions may use at most. */
  limits?: Limits | null
  /** What becomes of a tool call whose outcome is unknown. */
  onInterrupt?: OnInterrupt
  /** What all its sessions together may use. */
  caps?: Caps
  /** What the sandboxes of its sessions may reach. */
  egress?: Egress
  /** The name of the secret store they are given besides the agent's own secrets. */
  secretStore?: string | null
  /** The address it can be called at. */
  invokeUrl?: string
  /** When it was made, RFC 3339. */
  createdAt?: string
  /** When it was changed, RFC 3339. */
  updatedAt?: string
}

/** What a new agent needs. */
export interface CreateAgentParams {
  /** One of a kind: the same again with the same fields gives the same agent. */
  name: string
  /** Its instructions. */
  prompt: string
  /** `provider/model`; a bare model belongs to the runtime's provider. */
  model: string
  /** Its engine; cannot be changed later. */
  runtime?: Runtime
  /** The model provider's key; it is kept as a credential. Not together with `credential`. */
  key?: string
  /** `managed` or a credential's id; default: the org's default. */
  credential?: CredentialRef
  /** What its sessions may use at most. */
  limits?: Limits
  /** What becomes of a tool call whose outcome is unknown; default `report`. */
  onInterrupt?: OnInterrupt
  /** What all its sessions together may use. */
  caps?: Caps
  /** What the sandboxes of its sessions may reach; default `open`. */
  egress?: Egress
  /** The name of a secret store they are given besides the agent's own secrets. */
  secretStore?: string
}

/** What to change about an agent. Running sessions keep what they began with. */
export interface UpdateAgentParams {
  /** New instructions. */
  prompt?: string
  /** Another model of the same runtime. */
  model?: string
  /** A new value for the key it was made with. */
  key?: string
  /** Another source for the key; null: the org's default. */
  credential?: CredentialRef | null
  /** New limits. */
  limits?: Limits
  /** What becomes of a tool call whose outcome is unknown; null: `report`. */
  onInterrupt?: OnInterrupt | null
  /** Other caps, in place of all there are; null: none. */
  caps?: Caps | null
  /** What the sandboxes of its coming sessions may reach; null: `open`. */
  egress?: Egress | null
  /** Another secret store, by its name; null: none. */
  secretStore?: string | null
}

/** One of an agent's own secrets, without its value. */
export interface AgentSecret {
  /** The name of the variable in sandboxes. */
  name: string
  /** The last four characters of the value; none of a short one. */
  last4: string
  /** Hosts that may be given the value; empty: every host. */
  allowedHosts: string[]
  /** When it was last set, RFC 3339. */
  updatedAt: string
}

/** The skills of an agent's active revision. */
export interface AgentSkills {
  /** That revision. */
  revision: { id: string; number: number; digest: string } | null
  /** Names their files; null without skills. */
  skillBundleDigest: string | null
  /** The skills, by name; `mode` is a number such as 33188 (a plain file, 0644). */
  skills: { name: string; description: string | null; files: { path: string; mode: number; size: number }[] }[]
}

/** What became of a change of an agent's skills. */
export interface DeployResult {
  /** Names the deployment. */
  deployId: string
  /** `ready`. */
  state: string
  /** `deduped`: it was so already. */
  result: 'created' | 'deduped' | (string & {})
  /** The revision that is active now. */
  revision: { id: string; number: number; digest: string; active: boolean } | null
}

/** Folders of instructions and programs, which an agent's sessions find in `/skills`. */
export class AgentSkillsOf {
  readonly #http: Http

  /** @internal */
  constructor(http: Http) {
    this.#http = http
  }

  /** The skills of an agent. */
  get(id: string): Promise<AgentSkills> {
    return this.#http.json('GET', `/agents/${segment(id)}/skills`)
  }

  /** Replaces the skills of an agent by those of a zip archive; sessions that live keep theirs. */
  put(id: string, zip: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer): Promise<DeployResult> {
    return this.#http.json('PUT', `/agents/${segment(id)}/skills`, { zip, repeatable: true })
  }

  /** Takes the skills of an agent away. */
  delete(id: string): Promise<DeployResult> {
    return this.#http.json('DELETE', `/agents/${segment(id)}/skills`, { repeatable: true })
  }
}

/** What became of JSON that was sent to an agent's own address. */
export interface Invoked {
  /** Names the request; the same when it is repeated. */
  requestId: string
  /** The session. */
  session: { id: string; status: string; head: number }
  /** Opens the session to read and steer, for an hour. */
  clientToken: string
  /** Where it is followed and spoken to. */
  links: { events: string; messages: string }
  /** Whether an earlier request of the same key began it. */
  replayed: boolean
}

/** All agents of the key's org. */
export class Agents {
  readonly #http: Http
  readonly #addresses: Http
  /** Their skills. */
  readonly skills: AgentSkillsOf
  /** Addresses that begin their sessions for whoever knows them. */
  readonly hooks: Hooks
  /** What begins their sessions at set times. */
  readonly schedules: Schedules

  /** @internal */
  constructor(http: Http, addresses: Http) {
    this.#addresses = addresses
    this.#http = http
    this.skills = new AgentSkillsOf(http)
    this.hooks = new Hooks(http)
    this.schedules = new Schedules(http)
  }

  /** Makes an agent, or gives the one of that name if it is the same. */
  create(params: CreateAgentParams): Promise<Agent> {
    return this.#http.json('POST', '/agents', { body: params, repeatable: true })
  }

  /** One agent. */
  get(id: string): Promise<Agent> {
    return this.#http.json('GET', `/agents/${segment(id)}`)
  }

  /** One page of agents, newest first. */
  list(query: PageQuery = {}): Promise<Page<Agent>> {
    return this.#http.json('GET', '/agents', { query })
  }

  /** Changes an agent. */
  update(id: string, params: UpdateAgentParams): Promise<Agent> {
    return this.#http.json('PATCH', `/agents/${segment(id)}`, { body: params })
  }

  /** Removes an agent. Its sessions stay readable. */
  delete(id: string): Promise<void> {
    return this.#http.json('DELETE', `/agents/${segment(id)}`)
  }

  /** Begins a session at the agent's own address, with any JSON: the model sees it as it is. */
  invoke(id: string, payload: unknown, options: { idempotencyKey?: string } = {}): Promise<Invoked> {
    const idempotencyKey = options.idempotencyKey ?? freshKey()
    const call = { payload, idempotencyKey, repeatable: true }
    return this.#addresses.json('POST', `/${segment(id.replace('_', '-'))}/`, call)
  }

  /** An agent's own secrets, by name. */
  async secrets(id: string): Promise<AgentSecret[]> {
    return (await this.#http.json<Page<AgentSecret>>('GET', `/agents/${segment(id)}/secrets`)).data
  }

  /** Sets one of an agent's own secrets, for running sandboxes too. Without `allowedHosts` they stay as they are. */
  setSecret(id: string, name: string, value: string, options: { allowedHosts?: string[] } = {}): Promise<AgentSecret> {
    const body = { value, allowedHosts: options.allowedHosts }
    return this.#http.json('PUT', `/agents/${segment(id)}/secrets/${segment(name)}`, { body, repeatable: true })
  }

  /** Removes one of an agent's own secrets; running sandboxes lose it at once. */
  deleteSecret(id: string, name: string): Promise<void> {
    return this.#http.json('DELETE', `/agents/${segment(id)}/secrets/${segment(name)}`)
  }
}
