/** The whole of `@opencomputer/sdk`. */
export { OpenComputer, type OpenComputerOptions } from './client.js'
export { connectSession, type ConnectSessionOptions } from './connect.js'
export type { ConnectionOptions } from './http.js'

export { Agents } from './agents.js'
export type { Agent, AgentSecret, AgentSkills, CreateAgentParams, DeployResult, Egress, Invoked, Runtime, UpdateAgentParams } from './agents.js'
export { Hooks } from './hooks.js'
export type { CreateHookParams, Hook, HookQuery } from './hooks.js'
export { Schedules } from './schedules.js'
export type {
  CreateScheduleParams,
  Overlap,
  Schedule,
  ScheduleRun,
  UpdateScheduleParams
} from './schedules.js'
export { Credentials } from './credentials.js'
export type { CreateCredentialParams, Credential, CredentialId, CredentialRef } from './credentials.js'
export { SecretStore } from './secret-store.js'
export type {
  CreateSecretStoreOpts,
  SecretEntryInfo,
  SecretStoreInfo,
  SecretStoreOpts,
  UpdateSecretStoreOpts
} from './secret-store.js'
export { Sessions } from './sessions.js'
export type { CreateSessionParams, Forked, ForkParams, SessionQuery } from './sessions.js'
export { Session } from './session.js'
export type { Checkpoint, ClientTokenOptions, SessionData, SessionStatus, Waiting } from './session.js'
export { Deliveries, Destinations } from './webhooks.js'
export type { Delivery, DeliveryQuery, Destination, DestinationChange, DestinationParams } from './webhooks.js'
export { ClientSession } from './client-session.js'
export type {
  Envelope,
  EventQuery,
  FollowUntilRest,
  Sent,
  SteerOptions,
  StreamOptions
} from './client-session.js'
export type { FollowOptions } from './follow.js'

export type { Actor, Bodies, Event, EventBase, Level } from './event.js'
export type { Delta } from './delta.js'
export type { LastTurn, Result, Turn, TurnState, YieldReason } from './turn.js'
export type { SessionUsage, TurnUsage, Usage, UsageQuery, UsageRow } from './usage.js'
export type { Caps, Limits, LimitsChange, OnInterrupt } from './limits.js'
export type { ListPage, Page, PageQuery } from './page.js'

export { verifyWebhook, WebhookVerificationError } from './webhook.js'
export type { VerifyWebhookOptions, WebhookDelivery, WebhookHeaders } from './webhook.js'

export {
  AuthError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  OpenComputerError,
  RateLimitError,
  ValidationError
} from './errors.js'
export type { Problem } from './errors.js'
