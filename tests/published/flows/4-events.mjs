/** The log: streamed, listed, filtered, and always the same. */
import assert from 'node:assert/strict'
import { NotFoundError } from '@opencomputer/sdk'
import { isMoment, ofType, refused, script, untilTurns } from '../check.mjs'

const types = (events) => events.map(({ type }) => type)

export default {
  'a turn with a tool, streamed to its end': async (w) => {
    const agent = await w.oc.agents.create({ name: `${w.unique}-e`, prompt: 'Rehearse.', model: 'test/script' })
    const input = script(
      { call: [{ tool: 'bash', args: { command: 'echo from-the-sandbox; exit 3' } }] },
      { call: [{ tool: 'bash', args: { command: 'seq 1 20000' } }] },
      { say: 'All done.' }
    )
    w.session = await w.oc.sessions.create({ agent: agent.id, input })
    w.events = await untilTurns(w.session)
    w.input = input
    const got = types(w.events)
    for (const type of ['user.message', 'turn.started', 'tool.call', 'exec.completed', 'agent.message', 'turn.completed']) {
      assert.ok(got.includes(type), `there is a ${type} in ${got}`)
    }
  },
  'numbers without a gap, in order': async (w) => {
    assert.deepEqual(w.events.map(({ seq }) => seq), w.events.map((_, index) => index + 1))
    assert.equal(new Set(w.events.map(({ id }) => id)).size, w.events.length)
  },
  'every event has what every event has': async (w) => {
    for (const event of w.events) {
      assert.match(event.id, /^evt_/)
      isMoment(event.ts)
      assert.equal(event.session, w.session.id)
      assert.equal(typeof event.actor.type, 'string')
      assert.ok(['user', 'progress', 'internal'].includes(event.level), event.level)
      assert.equal(typeof event.body, 'object')
      assert.equal(typeof event.refs, 'object')
    }
  },
  'who says what, and for whom': async (w) => {
    const [asked] = ofType(w.events, 'user.message')
    assert.deepEqual([asked.seq, asked.level, asked.body.text], [1, 'user', w.input])
    const said = ofType(w.events, 'agent.message').at(-1)
    assert.deepEqual([said.level, said.actor.type, said.body.text], ['user', 'agent', 'All done.'])
  },
  'the turn begins and ends': async (w) => {
    const [started] = ofType(w.events, 'turn.started')
    const [completed] = ofType(w.events, 'turn.completed')
    assert.deepEqual([started.level, completed.level], ['progress', 'user'])
    assert.match(started.body.turnId, /^trn_/)
    assert.deepEqual([started.body.inputFromSeq, started.body.inputToSeq], [1, 1])
    assert.equal(completed.body.turnId, started.body.turnId)
    assert.equal(completed.turnId, started.body.turnId)
    assert.equal(completed.body.yieldReason, 'completed')
    assert.equal(completed.body.resultEventId, ofType(w.events, 'agent.message').at(-1).id)
    assert.deepEqual([completed.body.usage.reported, completed.body.usage.tokens], [true, 60])
    w.turn = started.body.turnId
  },
  'a command and its outcome': async (w) => {
    const [call] = ofType(w.events, 'tool.call')
    assert.equal(call.body.tool, 'bash')
    assert.match(call.body.argsSummary, /from-the-sandbox/)
    const [done] = ofType(w.events, 'exec.completed')
    assert.match(done.body.command, /from-the-sandbox/)
    assert.equal(done.body.exitCode, 3)
    assert.match(done.body.summary, /from-the-sandbox/)
    assert.ok(call.seq < done.seq)
  },
  'a large output is kept whole, beside the event': async (w) => {
    const done = ofType(w.events, 'exec.completed')[1]
    assert.equal(done.body.exitCode, 0)
    assert.equal(typeof (done.contentRef ?? done.body.contentRef), 'string')
    assert.ok(JSON.stringify(done.body).length < 40_000)
    const whole = await w.session.eventContent(done.id)
    const numbers = Array.from({ length: 20_000 }, (_, index) => index + 1).join('\n')
    assert.equal(whole.trimEnd(), numbers)
  },
  'content works for a small event, too': async (w) => {
    const said = ofType(w.events, 'agent.message').at(-1)
    assert.match(await w.session.eventContent(said.id), /All done\./)
  },
  'the list is what was streamed': async (w) => {
    const page = await w.session.listEvents()
    assert.deepEqual(page.data.slice(0, w.events.length), w.events)
    assert.equal(page.nextCursor ?? null, null)
  },
  'an event by its id': async (w) => {
    for (const event of w.events.slice(0, 3)) assert.deepEqual(await w.session.event(event.id), event)
    await refused(w.session.event('evt_nothing'), NotFoundError, { status: 404 })
  },
  'the list is paged by number': async (w) => {
    const first = await w.session.listEvents({ limit: 2 })
    assert.deepEqual(first.data, w.events.slice(0, 2))
    assert.equal(first.nextCursor, '2')
    const next = await w.session.listEvents({ limit: 2, after: Number(first.nextCursor) })
    assert.deepEqual(next.data, w.events.slice(2, 4))
    const beyond = await w.session.listEvents({ after: 1_000_000 })
    assert.deepEqual(beyond.data, [])
  },
  'the list is filtered by level, type and turn': async (w) => {
    const list = async (query) => (await w.session.listEvents(query)).data.filter(({ seq }) => seq <= w.events.length)
    const only = (test) => w.events.filter(test)
    assert.deepEqual(await list({ level: 'user' }), only(({ level }) => level === 'user'))
    assert.deepEqual(await list({ level: 'progress' }), only(({ level }) => level !== 'internal'))
    assert.deepEqual(await list({ type: 'turn.*' }), only(({ type }) => type.startsWith('turn.')))
    assert.deepEqual(await list({ type: 'tool.call' }), only(({ type }) => type === 'tool.call'))
    assert.deepEqual(await list({ turnId: w.turn }), only(({ turnId }) => turnId === w.turn))
    assert.deepEqual(await list({ turnId: 'trn_nothing' }), [])
  },
  'a stream is filtered, and begins where it is told': async (w) => {
    const users = await untilTurns(w.session, 1, { level: 'user' })
    assert.deepEqual(users, w.events.filter(({ level }) => level === 'user'))
    const turns = await untilTurns(w.session, 1, { type: 'turn.*' })
    assert.deepEqual(types(turns), ['turn.started', 'turn.completed'])
    assert.deepEqual(await untilTurns(w.session, 1, { after: 3 }), w.events.slice(3))
  },
  'messages are what was said': async (w) => {
    const page = await w.session.messages()
    assert.deepEqual(page.data, w.events.filter(({ type, level }) => level === 'user' && type.endsWith('.message')))
    assert.deepEqual((await w.session.messages({ after: 1, limit: 1 })).data, page.data.slice(1, 2))
  }
}
