/** Turns: their record, their result, and the ways they end. */
import assert from 'node:assert/strict'
import { ConflictError, NotFoundError } from '@opencomputer/sdk'
import { isMoment, ofType, refused, script, untilTurns } from '../check.mjs'

/** Reads the stream until an event of this type. */
async function untilType(session, type) {
  for await (const event of session.events()) if (event.type === type) return event
  throw new assert.AssertionError({ message: 'the stream ended' })
}

export default {
  'before the first turn is over there is no result': async (w) => {
    w.agent = await w.oc.agents.create({ name: `${w.unique}-t`, prompt: 'Rehearse.', model: 'test/script' })
    w.session = await w.oc.sessions.create({ agent: w.agent.id, input: script({ delay_ms: 700, say: 'one' }) })
    assert.equal((await w.session.result()).result, null)
    w.first = await untilTurns(w.session)
  },
  'the result is the turn and its last word': async (w) => {
    const { lastTurn, result } = await w.session.result()
    assert.deepEqual(result, ofType(w.first, 'agent.message').at(-1))
    assert.deepEqual([lastTurn.state, lastTurn.yieldReason, lastTurn.resultEventId], ['ok', 'completed', result.id])
  },
  'each turn has its record, newest first': async (w) => {
    await w.session.steer('two')
    await untilTurns(w.session, 2)
    const { data } = await w.session.turns()
    assert.equal(data.length, 2)
    for (const turn of data) {
      assert.match(turn.id, /^trn_/)
      assert.deepEqual([turn.state, turn.yieldReason], ['ok', 'completed'])
      isMoment(turn.startedAt)
      isMoment(turn.completedAt)
      assert.deepEqual([turn.usage.reported, turn.usage.inputTokens, turn.usage.outputTokens], [true, 10, 10])
      assert.deepEqual(await w.session.turn(turn.id), turn)
    }
    assert.equal(data[1].id, w.first.at(-1).body.turnId)
    assert.equal((await w.session.result()).lastTurn.id, data[0].id)
  },
  'the records are paged': async (w) => {
    const first = await w.session.turns({ limit: 1 })
    const next = await w.session.turns({ limit: 1, cursor: first.nextCursor })
    assert.deepEqual([...first.data, ...next.data], (await w.session.turns()).data)
    await refused(w.session.turn('trn_nothing'), NotFoundError, { status: 404 })
  },
  'a question ends the turn, and the answer begins the next': async (w) => {
    const input = script({ call: [{ tool: 'ask', args: { text: 'Which one?' } }] }, { say: 'Thanks: {{last_user}}' })
    const session = await w.oc.sessions.create({ agent: w.agent.id, input })
    const events = await untilTurns(session)
    assert.equal(events.at(-1).body.yieldReason, 'needs_input')
    assert.equal(ofType(events, 'agent.message').at(-1).body.text, 'Which one?')
    assert.equal((await session.refresh()).status, 'awaiting_input')
    await session.steer('the red one')
    const all = await untilTurns(session, 2)
    assert.equal(ofType(all, 'agent.message').at(-1).body.text, 'Thanks: the red one')
    assert.equal((await session.refresh()).status, 'idle')
  },
  'a cancelled turn stops in the middle of a command': async (w) => {
    const input = script({ call: [{ tool: 'bash', args: { command: 'sleep 300' } }] })
    const session = await w.oc.sessions.create({ agent: w.agent.id, input })
    await untilType(session, 'tool.call')
    await session.cancel()
    const events = await untilTurns(session)
    assert.equal(events.at(-1).body.yieldReason, 'canceled')
    assert.equal((await session.refresh()).status, 'idle')
  },
  'and in the middle of a thought': async (w) => {
    const session = await w.oc.sessions.create({ agent: w.agent.id, input: script({ delay_ms: 300_000, say: 'late' }) })
    await untilType(session, 'turn.started')
    await session.cancel()
    assert.equal((await untilTurns(session)).at(-1).body.yieldReason, 'canceled')
  },
  'where nothing runs there is nothing to cancel': async (w) => {
    const { head } = (await w.session.refresh()).snapshot
    await w.session.cancel()
    const { snapshot } = await w.session.refresh()
    assert.deepEqual([snapshot.status, snapshot.head], ['idle', head])
  },
  'an archived session is closed, and stays readable': async (w) => {
    const before = (await w.session.listEvents()).data
    await w.session.archive()
    assert.equal((await w.session.refresh()).status, 'archived')
    await w.session.archive()
    await refused(w.session.steer('more'), ConflictError, { status: 409 })
    assert.deepEqual((await w.session.listEvents()).data.slice(0, before.length), before)
    const { data } = await w.oc.sessions.list({ agent: w.agent.id, status: 'archived' })
    assert.deepEqual(data.map(({ id }) => id), [w.session.id])
  },
  'archiving stops what runs': async (w) => {
    const session = await w.oc.sessions.create({ agent: w.agent.id, input: script({ delay_ms: 300_000, say: 'late' }) })
    await untilType(session, 'turn.started')
    await session.archive()
    assert.equal((await untilTurns(session)).at(-1).body.yieldReason, 'canceled')
    assert.equal((await session.refresh()).status, 'archived')
  }
}
