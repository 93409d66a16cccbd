/** What each call puts on the wire, and what it gives back. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { OpenComputer, connectSession } from '../../dist/index.js'
import { json, quick, serve } from './server.mjs'

const session = { id: 'ses_1', status: 'idle', head: 4 }
const on = async (url) => new OpenComputer({ apiKey: 'osb_k', baseUrl: url, ...quick })
const handle = async (oc) => oc.sessions.get('ses_1')

const calls = [
  ['agents.create', (oc) => oc.agents.create({ name: 'a', prompt: 'p', model: 'm', limits: { turnSeconds: 1 } }),
    'POST', '/v3/agents', { name: 'a', prompt: 'p', model: 'm', limits: { turn_seconds: 1 } }],
  ['agents.get', (oc) => oc.agents.get('agt_1'), 'GET', '/v3/agents/agt_1'],
  ['agents.list', (oc) => oc.agents.list({ limit: 2, cursor: 'c' }), 'GET', '/v3/agents?limit=2&cursor=c'],
  ['agents.list of everything', (oc) => oc.agents.list(), 'GET', '/v3/agents'],
  ['agents.update', (oc) => oc.agents.update('agt_1', { credential: null }), 'PATCH', '/v3/agents/agt_1', { credential: null }],
  ['agents.delete', (oc) => oc.agents.delete('agt_1'), 'DELETE', '/v3/agents/agt_1'],
  ['agents.create with egress', (oc) => oc.agents.create({ name: 'a', prompt: 'p', model: 'm', egress: { allowlist: ['*.a.test'] }, secretStore: 'ci' }),
    'POST', '/v3/agents', { name: 'a', prompt: 'p', model: 'm', egress: { allowlist: ['*.a.test'] }, secret_store: 'ci' }],
  ['agents.setSecret', (oc) => oc.agents.setSecret('agt_1', 'A_B', 'v', { allowedHosts: ['a.test'] }),
    'PUT', '/v3/agents/agt_1/secrets/A_B', { value: 'v', allowed_hosts: ['a.test'] }],
  ['agents.secrets', (oc) => oc.agents.secrets('agt_1'), 'GET', '/v3/agents/agt_1/secrets'],
  ['agents.deleteSecret', (oc) => oc.agents.deleteSecret('agt_1', 'A'), 'DELETE', '/v3/agents/agt_1/secrets/A'],
  ['agents.skills.get', (oc) => oc.agents.skills.get('agt_1'), 'GET', '/v3/agents/agt_1/skills'],
  ['agents.skills.delete', (oc) => oc.agents.skills.delete('agt_1'), 'DELETE', '/v3/agents/agt_1/skills'],
  ['agents.schedules.create', (oc) => oc.agents.schedules.create('agt_1', { name: 's', cron: '* * * * *', tz: null, input: 'x', caps: { usdPerDay: 1 } }),
    'POST', '/v3/agents/agt_1/schedules', { name: 's', cron: '* * * * *', tz: null, input: 'x', caps: { usd_per_day: 1 } }],
  ['agents.schedules.list', (oc) => oc.agents.schedules.list('agt_1'), 'GET', '/v3/agents/agt_1/schedules'],
  ['agents.schedules.get', (oc) => oc.agents.schedules.get('agt_1', 'sch_1'), 'GET', '/v3/agents/agt_1/schedules/sch_1'],
  ['agents.schedules.update', (oc) => oc.agents.schedules.update('agt_1', 'sch_1', { paused: true, tz: null }),
    'PATCH', '/v3/agents/agt_1/schedules/sch_1', { paused: true, tz: null }],
  ['agents.schedules.delete', (oc) => oc.agents.schedules.delete('agt_1', 'sch_1'), 'DELETE', '/v3/agents/agt_1/schedules/sch_1'],
  ['agents.schedules.fire', (oc) => oc.agents.schedules.fire('agt_1', 'sch_1'), 'POST', '/v3/agents/agt_1/schedules/sch_1/fire'],
  ['agents.schedules.runs', (oc) => oc.agents.schedules.runs('agt_1', 'sch_1', { limit: 2, cursor: 'c' }),
    'GET', '/v3/agents/agt_1/schedules/sch_1/runs?limit=2&cursor=c'],
  ['agents.hooks.create', (oc) => oc.agents.hooks.create('agt_1', { name: 'h', expiresAt: null, caps: { tokensPerDay: 5 } }),
    'POST', '/v3/agents/agt_1/hooks', { name: 'h', expires_at: null, caps: { tokens_per_day: 5 } }],
  ['agents.hooks.list', (oc) => oc.agents.hooks.list('agt_1', { includeRevoked: true, limit: 2 }),
    'GET', '/v3/agents/agt_1/hooks?include_revoked=true&limit=2'],
  ['agents.hooks.get', (oc) => oc.agents.hooks.get('agt_1', 'hk_1'), 'GET', '/v3/agents/agt_1/hooks/hk_1'],
  ['agents.hooks.update', (oc) => oc.agents.hooks.update('agt_1', 'hk_1', { caps: null }),
    'PATCH', '/v3/agents/agt_1/hooks/hk_1', { caps: null }],
  ['agents.hooks.delete', (oc) => oc.agents.hooks.delete('agt_1', 'hk_1'), 'DELETE', '/v3/agents/agt_1/hooks/hk_1'],
  ['agents.invoke, with keys of its own', (oc) => oc.agents.invoke('agt_1', { aB: [1, null], c_d: true }),
    'POST', '/agents/agt-1/', { aB: [1, null], c_d: true }],
  ['agents.invoke with a text', (oc) => oc.agents.invoke('agt_1', 'x_y'), 'POST', '/agents/agt-1/', 'x_y'],
  ['sessions.fork with secrets', (oc) => oc.sessions.fork('ses_1', { inheritSecrets: true }),
    'POST', '/v3/sessions/ses_1/fork', { inherit_secrets: true }],
  ['credentials.create', (oc) => oc.credentials.create({ key: 'k', isDefault: true }),
    'POST', '/v3/credentials', { key: 'k', is_default: true }],
  ['credentials.list', (oc) => oc.credentials.list(), 'GET', '/v3/credentials'],
  ['credentials.rotate', (oc) => oc.credentials.rotate('cred_1', 'k2'), 'PATCH', '/v3/credentials/cred_1', { key: 'k2' }],
  ['credentials.setDefault', (oc) => oc.credentials.setDefault({ credential: 'cred_1' }),
    'PUT', '/v3/credentials/default', { credential: 'cred_1' }],
  ['credentials.delete', (oc) => oc.credentials.delete('cred_1'), 'DELETE', '/v3/credentials/cred_1'],
  ['sessions.get', (oc) => oc.sessions.get('ses_1'), 'GET', '/v3/sessions/ses_1'],
  ['an id is one segment', (oc) => oc.sessions.get('../agents?x'), 'GET', '/v3/sessions/..%2Fagents%3Fx'],
  ['sessions.list', (oc) => oc.sessions.list({ agent: 'agt_1', status: 'idle', key: 'k' }),
    'GET', '/v3/sessions?agent=agt_1&status=idle&key=k'],
  ['sessions.send', (oc) => oc.sessions.send('ses_1', 'hi', { idempotencyKey: 'i' }),
    'POST', '/v3/sessions/ses_1/messages', { text: 'hi', idempotency_key: 'i' }],
  ['sessions.send, cutting in', (oc) => oc.sessions.send('ses_1', 'hi', { idempotencyKey: 'i', interrupt: true }),
    'POST', '/v3/sessions/ses_1/messages', { text: 'hi', idempotency_key: 'i', interrupt: true }],
  ['an envelope with an id of its own', (oc) => oc.sessions.send('ses_1', { text: 'hi', id: 'e1', raw: { aB: 1 } }),
    'POST', '/v3/sessions/ses_1/messages', { envelope: { text: 'hi', id: 'e1', raw: { aB: 1 } } }],
  ['session.listEvents', async (oc) => (await handle(oc)).listEvents({ after: 3, level: 'user', type: 'turn.*', turnId: 't', limit: 9 }),
    'GET', '/v3/sessions/ses_1/events?after=3&level=user&type=turn.*&turn_id=t&limit=9'],
  ['session.event', async (oc) => (await handle(oc)).event('evt_1'), 'GET', '/v3/sessions/ses_1/events/evt_1'],
  ['session.eventContent', async (oc) => (await handle(oc)).eventContent('evt_1'), 'GET', '/v3/sessions/ses_1/events/evt_1/content'],
  ['session.messages', async (oc) => (await handle(oc)).messages({ limit: 1 }), 'GET', '/v3/sessions/ses_1/messages?limit=1'],
  ['session.turns', async (oc) => (await handle(oc)).turns({ cursor: 'c' }), 'GET', '/v3/sessions/ses_1/turns?cursor=c'],
  ['session.turn', async (oc) => (await handle(oc)).turn('trn_1'), 'GET', '/v3/sessions/ses_1/turns/trn_1'],
  ['session.result', async (oc) => (await handle(oc)).result(), 'GET', '/v3/sessions/ses_1/result'],
  ['session.cancel', async (oc) => (await handle(oc)).cancel(), 'POST', '/v3/sessions/ses_1/cancel'],
  ['session.archive', async (oc) => (await handle(oc)).archive(), 'POST', '/v3/sessions/ses_1/archive'],
  ['session.refresh', async (oc) => (await handle(oc)).refresh(), 'GET', '/v3/sessions/ses_1'],
  ['sessions.fork', (oc) => oc.sessions.fork('ses_1', { atSeq: 3, input: 'hi', key: 'k', metadata: { aB: 1 }, limits: { turnSeconds: 5 } }),
    'POST', '/v3/sessions/ses_1/fork', { at_seq: 3, input: 'hi', key: 'k', metadata: { aB: 1 }, limits: { turn_seconds: 5 } }],
  ['sessions.update', (oc) => oc.sessions.update('ses_1', { limits: { usd: 0.5, autoContinue: null } }),
    'PATCH', '/v3/sessions/ses_1', { limits: { usd: 0.5, auto_continue: null } }],
  ['sessions.delete', (oc) => oc.sessions.delete('ses_1'), 'DELETE', '/v3/sessions/ses_1'],
  ['sessions.checkpoints', (oc) => oc.sessions.checkpoints('ses_1'), 'GET', '/v3/sessions/ses_1/checkpoints'],
  ['usage', (oc) => oc.usage({ from: '2026-01-01T00:00:00Z', groupBy: 'agent' }),
    'GET', '/v3/usage?from=2026-01-01T00%3A00%3A00Z&group_by=agent'],
  ['usage of everything', (oc) => oc.usage(), 'GET', '/v3/usage'],
  ['agents.create with a policy', (oc) => oc.agents.create({ name: 'a', prompt: 'p', model: 'm', onInterrupt: { bash: 'retry' }, caps: { usdPerDay: 2 } }),
    'POST', '/v3/agents', { name: 'a', prompt: 'p', model: 'm', on_interrupt: { bash: 'retry' }, caps: { usd_per_day: 2 } }],
  ['session.update', async (oc) => (await handle(oc)).update({ limits: { steps: 2 } }), 'PATCH', '/v3/sessions/ses_1', { limits: { steps: 2 } }],
  ['session.checkpoints', async (oc) => (await handle(oc)).checkpoints(), 'GET', '/v3/sessions/ses_1/checkpoints'],
  ['session.delete', async (oc) => (await handle(oc)).delete(), 'DELETE', '/v3/sessions/ses_1'],
  ['session.mintClientToken', async (oc) => (await handle(oc)).mintClientToken({ scopes: ['read'], ttlSeconds: 90 }),
    'POST', '/v3/sessions/ses_1/client-tokens', { scopes: ['read'], ttl: 90 }],
  ['session.mintClientToken, told nothing', async (oc) => (await handle(oc)).mintClientToken(),
    'POST', '/v3/sessions/ses_1/client-tokens', {}]
]
for (const [name, call, method, url, body] of calls) {
  test(`${name} is ${method} ${url}`, async (t) => {
    const { url: base, requests } = await serve(t, json({ ...session, session }))
    await call(await on(base))
    const sent = requests.at(-1)
    assert.deepEqual([sent.method, sent.url, sent.body], [method, url, body])
    assert.equal(sent.headers.authorization, 'Bearer osb_k')
    assert.equal(sent.headers['content-type'], body && 'application/json')
  })
}

for (const verb of ['start', 'create']) {
  test(`sessions.${verb} sends what is the caller's own as it is`, async (t) => {
    const { url, requests } = await serve(t, json({ session, client_token: 'ct_1' }, 201))
    const made = await (await on(url)).sessions[verb]({
      agent: 'agt_1', input: { text: 'hi', conversation: { sourceId: 1 } }, metadata: { aB: 1 },
      limits: { turnSeconds: 2 }, idempotencyKey: 'i'
    })
    assert.deepEqual(requests[0].body, {
      agent: 'agt_1', input: { text: 'hi', conversation: { sourceId: 1 } }, metadata: { aB: 1 }, limits: { turn_seconds: 2 }
    })
    assert.equal(requests[0].headers['idempotency-key'], 'i')
    assert.deepEqual([made.id, made.status, made.clientToken, made.metadata], ['ses_1', 'idle', 'ct_1', null])
  })
}

test('a write that is told no key gets one, each its own', async (t) => {
  const { url, requests } = await serve(t, json({ session, event: { id: 'evt_1', seq: 1 } }))
  const oc = await on(url)
  await oc.sessions.start({ agent: 'a', input: 'i' })
  await oc.sessions.start({ agent: 'a', input: 'i' })
  await oc.sessions.send('ses_1', 'hi')
  const keys = [requests[0].headers['idempotency-key'], requests[1].headers['idempotency-key'], requests[2].body.idempotency_key]
  assert.equal(new Set(keys).size, 3)
  for (const key of keys) assert.match(key, /^sdk-[0-9a-f]{32}$/)
})

test('a session made by key needs no second key', async (t) => {
  const { url, requests } = await serve(t, json({ session }))
  await (await on(url)).sessions.start({ agent: 'a', input: 'i', key: 'mine' })
  assert.equal(requests[0].headers['idempotency-key'], undefined)
  assert.equal(requests[0].body.key, 'mine')
})

test('answers come in camelCase, a page with its cursor', async (t) => {
  const { url } = await serve(t, json({ data: [{ id: 'agt_1', created_at: 'x' }], next_cursor: 'c' }))
  assert.deepEqual(await (await on(url)).agents.list(), { data: [{ id: 'agt_1', createdAt: 'x' }], nextCursor: 'c' })
})

test('credentials may come as a page or as a bare list', async (t) => {
  const { url } = await serve(t, json({ data: [{ id: 'cred_1' }] }), json([{ id: 'cred_2' }]))
  const oc = await on(url)
  assert.deepEqual([await oc.credentials.list(), await oc.credentials.list()], [[{ id: 'cred_1' }], [{ id: 'cred_2' }]])
})

test('204 is nothing; cancelling keeps the record, or takes the new one', async (t) => {
  const nothing = (response) => response.writeHead(204).end()
  const { url } = await serve(t, json(session), nothing, json({ ...session, status: 'archived' }))
  const own = await (await on(url)).sessions.get('ses_1')
  assert.equal(await own.cancel(), undefined)
  assert.equal(own.status, 'idle')
  assert.equal(await own.archive(), undefined)
  assert.equal(own.status, 'archived')
})

test('content comes as it is, not as JSON', async (t) => {
  const { url } = await serve(t, json(session), (response) => response.end('{"exit_code": 1}\n'))
  assert.equal(await (await (await on(url)).sessions.get('ses_1')).eventContent('evt_1'), '{"exit_code": 1}\n')
})

test('a token is read under either name', async (t) => {
  const { url } = await serve(t, json(session), json({ token: 'ct_1' }), json({ token: 'ct_1', client_token: 'ct_2' }))
  const own = await (await on(url)).sessions.get('ses_1')
  assert.deepEqual([await own.mintClientToken(), await own.mintClientToken()], ['ct_1', 'ct_2'])
})

test('connectSession sends nothing, then the client token', async (t) => {
  const { url, requests } = await serve(t, json({ event: { id: 'evt_2', seq: 2 } }, 202))
  const own = await connectSession({ sessionId: 'ses_1', clientToken: 'ct_1', baseUrl: `${url}/v3/` })
  assert.deepEqual([requests.length, own.id, own.clientToken], [0, 'ses_1', 'ct_1'])
  assert.deepEqual(await own.steer('hi'), { id: 'evt_2', seq: 2 })
  assert.equal(requests[0].headers.authorization, 'Bearer ct_1')
})

test('an archive of skills goes as it is, and the answer comes in camelCase', async (t) => {
  const answer = { deploy_id: 'dep_1', state: 'ready', result: 'created', revision: { id: 'rev_1', number: 2, digest: 'd', active: true } }
  const { url, requests } = await serve(t, json(answer))
  // A body the test's server can read, too.
  const zip = new TextEncoder().encode('"archive"')
  const made = await (await on(url)).agents.skills.put('agt_1', zip)
  assert.deepEqual([made.deployId, made.revision.number], ['dep_1', 2])
  const { method, headers, text } = requests[0]
  assert.deepEqual([method, requests[0].url, headers['content-type'], text], ['PUT', '/v3/agents/agt_1/skills', 'application/zip', '"archive"'])
})
