/**
 * Drives a running server with this client: what the published one has no
 * word for. OC_URL and OC_KEY say where. Stops at the first difference.
 */
import assert from 'node:assert/strict'
import { AuthError, NotFoundError, OpenComputer, SecretStore, ValidationError, connectSession } from '../dist/index.js'

const { OC_URL, OC_KEY } = process.env
if (!OC_URL || !OC_KEY) {
  console.error('set OC_URL (such as http://127.0.0.1:8080) and OC_KEY')
  process.exit(2)
}
process.env.OPENCOMPUTER_API_URL = OC_URL
process.env.OPENCOMPUTER_API_KEY = OC_KEY

const oc = new OpenComputer()
const unique = `live-${Date.now().toString(36)}`
const script = (...replies) => `Rehearse.\n@steps\n${JSON.stringify(replies)}`
const texts = (events) => events.filter(({ type }) => type === 'agent.message').map(({ body }) => body.text)

async function all(stream) {
  const items = []
  for await (const item of stream) items.push(item)
  return items
}

let agent
let session
let first

const checks = {
  async 'the landing page: make, start, watch to the end'() {
    agent = await oc.agents.create({ name: unique, model: 'test/script', prompt: 'Rehearse.' })
    session = await oc.sessions.start({ agent: agent.id, input: 'hello' })
    first = await all(oc.sessions.stream(session.id))
    assert.deepEqual(texts(first), ['You said: hello'])
    assert.deepEqual(first.map(({ seq }) => seq), first.map((_, index) => index + 1))
    assert.ok(first.some(({ type }) => type === 'turn.completed'))
  },
  async 'a word to a session at rest: the stream goes on to the next end'() {
    const sent = await oc.sessions.send(session.id, 'and now?')
    assert.equal(sent.seq, first.at(-1).seq + 1)
    const more = await all(oc.sessions.stream(session.id, { after: first.at(-1).seq }))
    assert.deepEqual(texts(more), ['You said: and now?'])
    const again = await all(oc.sessions.stream(session.id))
    assert.deepEqual(again.map(({ seq }) => seq), again.map((_, index) => index + 1))
    assert.deepEqual(again.slice(0, first.length), first)
  },
  async 'a session at rest has nothing more to stream'() {
    const { head } = (await session.refresh()).snapshot
    assert.deepEqual(await all(session.stream({ after: head })), [])
  },
  async 'what the model is saying, and then what it said'() {
    const said = 'A sentence in several pieces.'
    const input = script({ delay_ms: 300, say: said, chunks: 6, chunk_ms: 30 })
    const own = await oc.sessions.start({ agent: agent.id, input })
    const items = await all(own.stream({ deltas: true }))
    const pieces = items.filter(({ type, kind }) => type === 'delta' && kind === 'text')
        assert.equal(pieces.map(({ text }) => text).join(''), said)
    assert.ok(pieces.length > 1, 'it came in pieces')
    assert.ok(pieces.every(({ turnId }) => turnId === items.at(-1).turnId || turnId?.startsWith('trn_')))
    assert.deepEqual(texts(items), [said])
  },
  async 'a word that cuts in does not wait for the step'() {
    const input = script({ delay_ms: 600_000, say: 'too late' }, { say: 'Heard: {{last_user}}' })
    const own = await oc.sessions.start({ agent: agent.id, input })
    for await (const { type } of own.events()) if (type === 'turn.started') break
    await oc.sessions.send(own.id, script({ say: 'At once.' }), { interrupt: true })
    assert.equal(texts(await all(own.stream())).at(-1), 'At once.')
  },
  async 'a filter does not keep a stream from ending'() {
    for (const options of [{ type: 'user.*' }, { level: 'user' }, { level: 'progress', type: 'turn.*' }]) {
      const events = await all(session.stream(options))
      assert.ok(events.length > 0)
    }
  },
  async 'any JSON begins a session, for the org and by a hook'() {
    const asked = { someKey: { a_b: 1 }, list: [1, null, 'x'] }
    const idempotencyKey = `k-${unique}`
    const first = await oc.agents.invoke(agent.id, asked, { idempotencyKey })
    const again = await oc.agents.invoke(agent.id, asked, { idempotencyKey })
    assert.deepEqual([first.replayed, again.replayed, again.requestId], [false, true, first.requestId])
    const own = await connectSession({ sessionId: first.session.id, clientToken: first.clientToken })
    const [request] = (await own.listEvents()).data
    assert.deepEqual([request.type, request.source, request.body.payload], ['http.request', 'http', asked])

    const { hook, hookUrl } = await oc.agents.hooks.create(agent.id, { name: 'ci', caps: { tokensPerDay: 1000 } })
    assert.deepEqual([hook.status, hook.caps], ['active', { tokensPerDay: 1000 }])
    const at = OC_URL + new URL(hookUrl).pathname
    const call = async () => (await fetch(at, { method: 'POST' })).status
    assert.equal(await call(), 200)
    assert.deepEqual((await oc.agents.hooks.list(agent.id)).data, [hook])
    const open = await oc.agents.hooks.update(agent.id, hook.id, { caps: null })
    assert.deepEqual(open.caps, {})
    await oc.agents.hooks.delete(agent.id, hook.id)
    assert.equal(await call(), 404)
    assert.equal((await oc.agents.hooks.get(agent.id, hook.id)).revokedReason, 'manual')
  },
  async 'a browser reads and steers with its token, and no more'() {
    const token = await session.mintClientToken({ scopes: ['read', 'steer'], ttlSeconds: 60 })
    const own = await connectSession({ sessionId: session.id, clientToken: token })
    const sent = await own.steer({ text: 'from outside', id: 'm1', source: 'page', raw: { own_key: 1 } })
    assert.deepEqual(await own.steer({ text: 'from outside', id: 'm1' }), sent)
    const event = await own.event(sent.id)
    assert.deepEqual([event.body.text, event.body.raw, event.refs.source], ['from outside', { own_key: 1 }, 'page'])
    await assert.rejects(new OpenComputer({ apiKey: token }).sessions.get(session.id), AuthError)
    await all(session.stream())
  },
  async 'a fork goes its own way, with limits of its own, and is erased'() {
    const { session: fork, files } = await oc.sessions.fork(session.id, { limits: { turns: 50 } })
    assert.equal(files, null)
    assert.equal(fork.snapshot.forkedFrom.sessionId, session.id)
    const { head } = fork.snapshot
    await oc.sessions.send(fork.id, 'on its own')
    assert.deepEqual(texts(await all(fork.stream({ after: head }))), ['You said: on its own'])
    await fork.update({ limits: { turns: null, steps: 9 } })
    assert.deepEqual(fork.snapshot.limits, { steps: 9 })
    assert.deepEqual(await fork.checkpoints(), [])
    const used = await oc.usage({ groupBy: 'session' })
    assert.equal(used.data.find(({ group }) => group === fork.id).turns, 1)
    await oc.sessions.delete(fork.id)
    await assert.rejects(oc.sessions.get(fork.id), NotFoundError)
  },
  async 'errors have their class and their fields'() {
    await assert.rejects(oc.sessions.start({ agent: agent.id }), (error) => {
      assert.ok(error instanceof ValidationError)
      assert.equal(error.param, 'input')
      assert.match(error.requestId, /^req_/)
      return true
    })
    await assert.rejects(oc.agents.get('agt_nothing'), NotFoundError)
    await assert.rejects(all(oc.sessions.stream('ses_nothing')), NotFoundError)
  },
  async 'secrets go in and never come out'() {
    const value = `canary-${unique}-z9y8`
    const store = await SecretStore.create({ name: unique, egressAllowlist: ['*.a.test'] })
    await SecretStore.setSecret(store.id, 'TOKEN', value, { allowedHosts: ['api.a.test'] })
    await SecretStore.setSecret(store.id, 'TOKEN', value)
    const [entry] = await SecretStore.listSecrets(store.id)
    assert.deepEqual([entry.name, entry.storeId, entry.allowedHosts], ['TOKEN', store.id, ['api.a.test']])
    await assert.rejects(SecretStore.setSecret(store.id, '1X', value), /variable/)
    const egress = { allowlist: ['api.a.test'] }
    const now = await oc.agents.update(agent.id, { egress, secretStore: unique })
    assert.deepEqual([now.egress, now.secretStore], [egress, unique])
    const set = await oc.agents.setSecret(agent.id, 'OWN', value)
    assert.deepEqual([set.name, set.last4, set.allowedHosts], ['OWN', 'z9y8', []])
    const seen = [await oc.agents.secrets(agent.id), await SecretStore.list(), entry, now]
    assert.ok(!JSON.stringify(seen).includes('canary'))
    await oc.agents.deleteSecret(agent.id, 'OWN')
    await assert.rejects(oc.agents.deleteSecret(agent.id, 'OWN'), NotFoundError)
    await oc.agents.update(agent.id, { egress: null, secretStore: null })
    await SecretStore.delete(store.id)
    await assert.rejects(SecretStore.get(store.id), NotFoundError)
  },
  async 'an archived session ends every stream, and a removed agent is gone'() {
    await session.archive()
    assert.equal(session.status, 'archived')
    assert.equal((await all(session.stream())).at(-1).seq, session.snapshot.head)
    await oc.agents.delete(agent.id)
    await assert.rejects(oc.agents.get(agent.id), NotFoundError)
    assert.equal((await oc.sessions.get(session.id)).status, 'archived')
  }
}

let passed = 0
for (const [title, check] of Object.entries(checks)) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done after 60 s')), 60_000)
  })
  try {
    await Promise.race([check(), late])
  } catch (error) {
    console.error(`not ok: ${title}\n${error.stack ?? error}\n${passed} passed, 1 failed`)
    process.exit(1)
  } finally {
    clearTimeout(timer)
  }
  passed += 1
  console.log(`ok: ${title}`)
}
console.log(`${passed} passed, 0 failed`)
process.exit(0)
