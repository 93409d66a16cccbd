/** What must type-check, and what must not: both kinds of code, one package. */
import {
  AuthError,
  ClientSession,
  ConflictError,
  type Agent,
  type Credential,
  type Delta,
  type Event,
  type Level,
  type Limits,
  type ListPage,
  NotFoundError,
  OpenComputer,
  OpenComputerError,
  RateLimitError,
  Session,
  SecretStore,
  type SecretEntryInfo,
  type SecretStoreInfo,
  type SessionData,
  type Turn,
  type Usage,
  ValidationError,
  connectSession,
  verifyWebhook
} from '@opencomputer/sdk'

/** Code written for the published package. */
export async function published(apiKey: string, signal: AbortSignal): Promise<void> {
  const oc = new OpenComputer({ apiKey, baseUrl: 'http://127.0.0.1:8080/v3', maxRetries: 1, fetch })
  const limits: Limits = { turnSeconds: 60, tokens: 1000, turns: 3 }
  const agent: Agent = await oc.agents.create({ name: 'a', prompt: 'p', model: 'test/demo', credential: 'managed', limits })
  const credential: Credential = await oc.credentials.create({ key: 'k', isDefault: true })
  await oc.credentials.setDefault({ credential: credential.id })
  await oc.agents.update(agent.id, { credential: credential.id })
  const session: Session = await oc.sessions.create({ agent: agent.id, input: { text: 'hi' }, key: 'k', metadata: { a: 1 } })
  for await (const event of session.events({ level: 'user', type: 'turn.*', after: 3, signal })) {
    if (event.type === 'turn.completed') console.log(event.body.yieldReason satisfies string)
    if (event.type === 'exec.completed') console.log(event.body.exitCode satisfies number)
    console.log(event.seq satisfies number, event.level satisfies Level)
  }
  const page: ListPage<Event> = await session.listEvents({ turnId: 't', limit: 5 })
  const turns: ListPage<Turn> = await session.turns({ cursor: page.nextCursor ?? undefined })
  const { result, lastTurn } = await session.result()
  const list: ListPage<SessionData> = await oc.sessions.list({ agent: agent.id, status: 'idle' })
  console.log(turns.data, result?.seq, lastTurn?.state, list.data, session.metadata, (await session.refresh()).status)
  const browser: ClientSession = await connectSession({ sessionId: session.id, clientToken: session.clientToken ?? '' })
  const sent: { id: string; seq: number } = await browser.steer('go on', { idempotencyKey: 'k' })
  console.log(sent.seq, await session.mintClientToken({ scopes: ['read'], ttlSeconds: 60 }))
}

/** Code written for the published package, about secrets. */
export async function publishedSecrets(apiKey: string, apiUrl: string): Promise<void> {
  const store: SecretStoreInfo = await SecretStore.create({ name: 'ci', egressAllowlist: ['a.test'], apiKey, apiUrl })
  await SecretStore.setSecret(store.id, 'TOKEN', 'v', { allowedHosts: ['a.test'] })
  const all: SecretEntryInfo[] = await SecretStore.listSecrets(store.id)
  const stores: SecretStoreInfo[] = await SecretStore.list({ apiKey })
  console.log(all, stores, await SecretStore.get(store.id), await SecretStore.update(store.id, { name: 'cd', apiKey }))
  await SecretStore.deleteSecret(store.id, 'TOKEN')
  await SecretStore.delete(store.id)
}

/** Code with what only ours has. */
export async function ours(oc: OpenComputer, id: string): Promise<void> {
  for await (const item of oc.sessions.stream(id, { deltas: true, follow: true })) {
    if (item.type === 'delta') console.log((item as Delta).text)
  }
  for await (const event of oc.sessions.stream(id)) console.log(event.seq satisfies number)
  await oc.sessions.send(id, 'stop', { interrupt: true })
  const { session, files } = await oc.sessions.fork(id, { atSeq: 3, limits: { usd: null, steps: 5 } })
  console.log(files?.checkpointId, session.snapshot.waitingOn?.place, session.snapshot.forkedFrom?.seq satisfies number | undefined)
  await session.update({ limits: { usd: 0.5, autoContinue: 2 } })
  for (const made of await session.checkpoints()) console.log(made.addedBytes satisfies number)
  const report: Usage = await oc.usage({ groupBy: 'agent' })
  console.log(report.total.costUsd satisfies number)
  await oc.sessions.delete(session.id)
  for await (const event of session.events({ type: 'session.*' })) {
    if (event.type === 'session.waiting') console.log(event.body.what, event.body.deadline)
  }
}

/** Errors have their fields in every class. */
export function explain(error: unknown): string | undefined {
  if (error instanceof RateLimitError) return String(error.retryAfter)
  if (error instanceof AuthError || error instanceof NotFoundError) return error.requestId
  if (error instanceof ConflictError || error instanceof ValidationError) return error.param
  return error instanceof OpenComputerError ? `${error.status} ${error.code}` : undefined
}

/** Webhooks take both shapes of headers. */
export async function receive(request: Request, node: { headers: Record<string, string | string[] | undefined> }): Promise<string> {
  const delivery = await verifyWebhook(await request.text(), request.headers, 'whsec_x')
  return (await verifyWebhook('', node.headers, 's')).type + delivery.dedupeId
}

// @ts-expect-error the input is missing
const incomplete: Parameters<OpenComputer['sessions']['start']>[0] = { agent: 'a' }
// @ts-expect-error no such level
const level: Level = 'loud'
console.log(incomplete, level)
