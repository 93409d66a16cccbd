/** Sessions: made once per key, listed, pinned to what they began with. */
import assert from 'node:assert/strict'
import { ConflictError, NotFoundError } from '@opencomputer/sdk'
import { isMoment, refused, untilTurns } from '../check.mjs'

export default {
  'a session starts with its first message in the log': async (w) => {
    w.agent = await w.oc.agents.create({ name: `${w.unique}-s`, prompt: 'Rehearse.', model: 'test/script' })
    w.wanted = {
      agent: w.agent.id, input: 'hello', key: `${w.unique}-key`, limits: { tokens: 100000, turnSeconds: 60, turns: 5 },
      metadata: { snake_key: 1, camelKey: { 'Odd-Key': ['x', null] } }
    }
    w.session = await w.oc.sessions.create(w.wanted)
    const { id, status, head, inputCursor, agentId, agentSnapshot, limits, metadata, key, createdAt } = w.session.snapshot
    assert.match(id, /^ses_/)
    assert.deepEqual({ status, head, inputCursor }, { status: 'queued', head: 1, inputCursor: 0 })
    assert.equal(agentId, w.agent.id)
    assert.deepEqual([agentSnapshot.model, agentSnapshot.revision, agentSnapshot.promptHash, agentSnapshot.runtime],
      ['test/script', 1, w.agent.promptHash, w.agent.runtime])
    assert.deepEqual({ limits, metadata, key }, { limits: w.wanted.limits, metadata: w.wanted.metadata, key: w.wanted.key })
    assert.equal(w.session.snapshot.credentialId, 'managed')
    assert.deepEqual(w.session.metadata, w.wanted.metadata)
    assert.match(w.session.clientToken, /^ct_/)
    isMoment(createdAt)
  },
  'the same key and request is the same session': async (w) => {
    const again = await w.oc.sessions.create(w.wanted)
    assert.equal(again.id, w.session.id)
    assert.match(again.clientToken, /^ct_/)
  },
  'the same key with another request is a conflict': async (w) => {
    const error = await refused(w.oc.sessions.create({ ...w.wanted, input: 'other' }), ConflictError, { status: 409 })
    assert.match(error.message, /create key already used with a different request/)
  },
  'an idempotency key does the same for a create without a key': async (w) => {
    const wanted = { agent: w.agent.id, input: 'once', idempotencyKey: `${w.unique}-idem` }
    w.other = await w.oc.sessions.create(wanted)
    assert.equal((await w.oc.sessions.create(wanted)).id, w.other.id)
    await refused(w.oc.sessions.create({ ...wanted, input: 'twice' }), ConflictError, { status: 409 })
    const free = await w.oc.sessions.create({ agent: w.agent.id, input: 'once' })
    assert.notEqual(free.id, w.other.id)
    await untilTurns(free)
  },
  'it comes to rest, and can be read': async (w) => {
    const events = await untilTurns(w.session)
    const read = await w.oc.sessions.get(w.session.id)
    assert.equal(read.status, 'idle')
    assert.ok(read.snapshot.head >= events.at(-1).seq)
    assert.ok(read.snapshot.inputCursor >= 1)
    assert.deepEqual(read.metadata, w.wanted.metadata)
    assert.deepEqual([read.lastTurn.state, read.lastTurn.yieldReason], ['ok', 'completed'])
    assert.equal(read.clientToken, undefined)
    assert.equal((await w.session.refresh()).status, 'idle')
  },
  'usage counts the finished turns': async (w) => {
    const { usage } = w.session.snapshot
    assert.deepEqual([usage.reportedTurns, usage.unreportedTurns, usage.complete], [1, 0, true])
    assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.tokens], [10, 10, 20])
    assert.equal(typeof usage.activeSeconds, 'number')
  },
  'another model for this session alone': async (w) => {
    const demo = await w.oc.agents.create({ name: `${w.unique}-demo`, prompt: 'Rehearse.', model: 'test/demo' })
    const own = await w.oc.sessions.create({ agent: demo.id, input: 'hi', model: 'test/script' })
    assert.equal(own.snapshot.agentSnapshot.model, 'test/script')
    const events = await untilTurns(own)
    assert.equal(events.find(({ type }) => type === 'agent.message').body.text, 'You said: hi')
  },
  'the list is filtered': async (w) => {
    await untilTurns(w.other)
    const ids = async (query) => (await w.oc.sessions.list(query)).data.map(({ id }) => id)
    assert.deepEqual(await ids({ key: w.wanted.key }), [w.session.id])
    assert.equal((await ids({ agent: w.agent.id })).length, 3)
    assert.equal((await ids({ agent: w.agent.id, status: 'idle' })).length, 3)
    assert.deepEqual(await ids({ agent: w.agent.id, status: 'running' }), [])
  },
  'and paged, newest first, as plain records': async (w) => {
    const seen = []
    let cursor
    do {
      const page = await w.oc.sessions.list({ agent: w.agent.id, limit: 2, cursor })
      assert.ok(page.data.length <= 2)
      seen.push(...page.data)
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    assert.equal(new Set(seen.map(({ id }) => id)).size, 3)
    assert.deepEqual(seen.map(({ createdAt }) => createdAt), seen.map(({ createdAt }) => createdAt).sort().reverse())
    assert.deepEqual(seen.at(-1), (await w.oc.sessions.get(w.session.id)).snapshot)
  },
  'a changed agent leaves a running session as it was': async (w) => {
    await w.oc.agents.update(w.agent.id, { prompt: 'Rehearse anew.' })
    assert.equal((await w.oc.sessions.get(w.session.id)).snapshot.agentSnapshot.revision, 1)
    const fresh = await w.oc.sessions.create({ agent: w.agent.id, input: 'hello' })
    assert.equal(fresh.snapshot.agentSnapshot.revision, 2)
    await untilTurns(fresh)
  },
  'a session that is not there is not found': async (w) => {
    await refused(w.oc.sessions.get('ses_nothing'), NotFoundError, { status: 404 })
  }
}
