/** Schedules: made, changed, fired by hand, and what became of it. */
import assert from 'node:assert/strict'
import { ConflictError, NotFoundError, ValidationError } from '@opencomputer/sdk'
import { isMoment, refused } from '../check.mjs'

const input = '@steps\n[{ "say": "good morning" }]'

export default {
  'a schedule is made, and says when it is due': async (w) => {
    w.scheduled = await w.oc.agents.create({ name: `${w.unique}-scheduled`, prompt: 'Rehearse.', model: 'test/script' })
    w.daily = { name: 'daily', cron: '30 6 * * MON-FRI', tz: 'Europe/Berlin', input, overlap: 'allow' }
    const { schedule } = await w.oc.agents.schedules.create(w.scheduled.id, w.daily)
    w.schedule = schedule
    assert.match(schedule.id, /^sch_/)
    const { name, cron, tz, input: told, overlap, state, agentId } = schedule
    assert.deepEqual({ name, cron, tz, input: told, overlap }, w.daily)
    assert.deepEqual([state, agentId, schedule.consecutiveFailures], ['active', w.scheduled.id, 0])
    assert.deepEqual([schedule.lastFiredAt, schedule.lastError], [null, null])
    for (const moment of [schedule.nextFireAt, schedule.createdAt, schedule.updatedAt]) isMoment(moment)
    assert.ok(Date.parse(schedule.nextFireAt) > Date.now() - 60_000)
  },
  'it can be read and listed': async (w) => {
    const { id } = w.scheduled
    assert.deepEqual((await w.oc.agents.schedules.get(id, w.schedule.id)).schedule, w.schedule)
    assert.deepEqual((await w.oc.agents.schedules.list(id)).schedules, [w.schedule])
  },
  'its name is taken, and a wrong expression is named': async (w) => {
    const { id } = w.scheduled
    await refused(w.oc.agents.schedules.create(id, w.daily), ConflictError, { status: 409 })
    const wrong = { ...w.daily, name: 'other', cron: '0 30 6 * * *' }
    await refused(w.oc.agents.schedules.create(id, wrong), ValidationError, { status: 422, param: 'cron' })
  },
  'it rests and goes on': async (w) => {
    const { id } = w.scheduled
    const paused = await w.oc.agents.schedules.update(id, w.schedule.id, { paused: true })
    assert.equal(paused.schedule.state, 'paused')
    const changed = await w.oc.agents.schedules.update(id, w.schedule.id, { paused: false, cron: '0 7 * * *', tz: null })
    assert.deepEqual([changed.schedule.state, changed.schedule.tz], ['active', null])
    assert.ok(changed.schedule.nextFireAt.includes('T07:00:00'))
  },
  'fired by hand, it begins a session': async (w) => {
    const { run } = await w.oc.agents.schedules.fire(w.scheduled.id, w.schedule.id)
    assert.match(run.id, /^srn_/)
    assert.deepEqual([run.outcome, run.scheduledFor, run.scheduleId, run.error], ['enacted', null, w.schedule.id, null])
    isMoment(run.firedAt)
    const session = await w.oc.sessions.get(run.sessionId)
    assert.equal(session.snapshot.agentId, w.scheduled.id)
    assert.deepEqual(session.snapshot.metadata, { schedule: { id: w.schedule.id, run_id: run.id, scheduled_for: null } })
    const { data: [first] } = await session.listEvents()
    assert.equal(first.type, 'user.message')
    assert.equal(first.actor.type, 'schedule')
    const { runs } = await w.oc.agents.schedules.runs(w.scheduled.id, w.schedule.id, { limit: 1 })
    assert.deepEqual(runs, [run])
  },
  'deleted, it is gone and its runs stay': async (w) => {
    await w.oc.agents.schedules.delete(w.scheduled.id, w.schedule.id)
    await refused(w.oc.agents.schedules.get(w.scheduled.id, w.schedule.id), NotFoundError, { status: 404 })
    assert.equal((await w.oc.agents.schedules.runs(w.scheduled.id, w.schedule.id)).runs.length, 1)
  }
}
