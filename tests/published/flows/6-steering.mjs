/** Steering: with the org's key and with a client's token. */
import assert from 'node:assert/strict'
import { AuthError, ConflictError, NotFoundError, OpenComputer, connectSession } from '@opencomputer/sdk'
import { ofType, refused, script, untilTurns } from '../check.mjs'

const connect = (w, clientToken, sessionId = w.session.id) => connectSession({ sessionId, clientToken, baseUrl: w.baseUrl })

export default {
  'a message wakes a session that rests': async (w) => {
    w.agent = await w.oc.agents.create({ name: `${w.unique}-c`, prompt: 'Rehearse.', model: 'test/script' })
    w.session = await w.oc.sessions.create({ agent: w.agent.id, input: 'one' })
    const first = await untilTurns(w.session)
    w.sent = await w.session.steer('two', { idempotencyKey: 'm-1' })
    assert.match(w.sent.id, /^evt_/)
    assert.ok(w.sent.seq > first.at(-1).seq)
    const events = await untilTurns(w.session, 2)
    assert.equal(events[w.sent.seq - 1].id, w.sent.id)
    assert.equal(events[w.sent.seq - 1].body.text, 'two')
    assert.deepEqual(ofType(events, 'agent.message').map(({ body }) => body.text), ['You said: one', 'You said: two'])
  },
  'sent twice, it counts once': async (w) => {
    const { head } = (await w.session.refresh()).snapshot
    assert.deepEqual(await w.session.steer('two', { idempotencyKey: 'm-1' }), w.sent)
    assert.deepEqual([(await w.session.refresh()).snapshot.head, w.session.status], [head, 'idle'])
  },
  'a message joins the turn that runs': async (w) => {
    const input = script(
      { delay_ms: 1500, call: [{ tool: 'bash', args: { command: 'true' } }] },
      { say: 'Heard: {{last_user}}' }
    )
    const session = await w.oc.sessions.create({ agent: w.agent.id, input })
    for await (const { type } of session.events()) if (type === 'turn.started') break
    await session.steer('and be quick')
    const events = await untilTurns(session)
    assert.equal(ofType(events, 'agent.message').at(-1).body.text, 'Heard: and be quick')
    assert.equal(ofType(events, 'turn.started').length, 1)
    assert.equal((await session.refresh()).status, 'idle')
  },
  'the token of the create reads and steers': async (w) => {
    const own = await connect(w, w.session.clientToken)
    const before = await untilTurns(own, 2)
    assert.deepEqual(before, (await w.session.listEvents()).data.slice(0, before.length))
    assert.deepEqual((await own.listEvents({ limit: 1 })).data, before.slice(0, 1))
    assert.deepEqual(await own.event(before[0].id), before[0])
    assert.match(await own.eventContent(before[0].id), /one/)
    assert.equal((await own.messages({ limit: 1 })).data[0].id, before[0].id)
    const sent = await own.steer('three', { idempotencyKey: 'm-2' })
    assert.deepEqual(await own.steer('three', { idempotencyKey: 'm-2' }), sent)
    const events = await untilTurns(own, 3, { level: 'user' })
    assert.equal(ofType(events, 'agent.message').at(-1).body.text, 'You said: three')
  },
  'a fresh token does, too': async (w) => {
    const token = await w.session.mintClientToken({ ttlSeconds: 60 })
    assert.match(token, /^ct_/)
    assert.notEqual(token, w.session.clientToken)
    await (await connect(w, token)).listEvents({ limit: 1 })
  },
  'a token for reading does not steer, and the other way round': async (w) => {
    const reader = await connect(w, await w.session.mintClientToken({ scopes: ['read'] }))
    await reader.listEvents({ limit: 1 })
    await refused(reader.steer('no'), AuthError, { status: 403 })
    const talker = await connect(w, await w.session.mintClientToken({ scopes: ['steer'] }))
    await refused(talker.listEvents(), AuthError, { status: 403 })
    await talker.steer('yes')
    await untilTurns(w.session, 4)
  },
  'a token opens its own session only': async (w) => {
    const other = await w.oc.sessions.create({ agent: w.agent.id, input: 'other' })
    const stranger = await connect(w, w.session.clientToken, other.id)
    for (const call of [() => stranger.listEvents(), () => stranger.steer('no'), () => stranger.events().next()]) {
      const error = await call().then(() => assert.fail('it went through'), (given) => given)
      assert.ok(error instanceof AuthError || error instanceof NotFoundError, String(error))
    }
    await untilTurns(other)
  },
  'a token manages nothing': async (w) => {
    const client = new OpenComputer({ apiKey: w.session.clientToken, baseUrl: w.baseUrl })
    await refused(client.sessions.get(w.session.id), AuthError, { status: [401, 403] })
    await refused(client.agents.list(), AuthError, { status: [401, 403] })
    await refused(client.credentials.list(), AuthError, { status: [401, 403] })
    await refused(client.sessions.create({ agent: w.agent.id, input: 'no' }), AuthError, { status: [401, 403] })
  },
  'a message to an archived session is a conflict, also by token': async (w) => {
    await w.session.archive()
    await refused((await connect(w, w.session.clientToken)).steer('late'), ConflictError, { status: 409 })
  }
}
