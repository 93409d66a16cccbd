/** Agents: made once per name, changed by revisions. */
import assert from 'node:assert/strict'
import { ConflictError, NotFoundError, ValidationError } from '@opencomputer/sdk'
import { isMoment, refused } from '../check.mjs'

export default {
  'an agent is made, with revision 1': async (w) => {
    w.wanted = { name: `${w.unique}-a`, prompt: 'Rehearse.', model: 'test/script', limits: { turnSeconds: 120, turns: 50 } }
    w.agent = await w.oc.agents.create(w.wanted)
    const { id, name, model, prompt, promptHash, runtime, revision, activeRevision, limits, createdAt, invokeUrl } = w.agent
    assert.match(id, /^agt_[0-9a-f]{24}$/)
    assert.deepEqual({ name, model, prompt, limits }, { ...w.wanted })
    assert.match(promptHash, /^sha256:/)
    assert.equal(typeof runtime, 'string')
    assert.equal(revision, 1)
    assert.equal(activeRevision.number, 1)
    assert.match(activeRevision.id, /^rev_/)
    assert.equal(typeof activeRevision.digest, 'string')
    assert.equal(w.agent.activeRevisionId, activeRevision.id)
    assert.equal(w.agent.credentialId ?? null, null)
    assert.match(invokeUrl, /^https?:\/\/.*[^/]$/)
    isMoment(createdAt)
  },
  'the same again is the same agent': async (w) => {
    assert.deepEqual(await w.oc.agents.create(w.wanted), w.agent)
  },
  'the same name with another prompt is a conflict': async (w) => {
    await refused(w.oc.agents.create({ ...w.wanted, prompt: 'Other.' }), ConflictError, { status: 409 })
  },
  'it can be read': async (w) => assert.deepEqual(await w.oc.agents.get(w.agent.id), w.agent),
  'the list is paged, newest first': async (w) => {
    const second = await w.oc.agents.create({ ...w.wanted, name: `${w.unique}-b` })
    const seen = []
    for (let cursor; !seen.some(({ id }) => id === w.agent.id);) {
      const page = await w.oc.agents.list({ limit: 1, cursor })
      assert.equal(page.data.length, 1)
      seen.push(page.data[0])
      cursor = page.nextCursor
      assert.ok(cursor || seen.at(-1).id === w.agent.id, 'the list ends before the agent')
    }
    assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length)
    assert.deepEqual(seen.filter(({ name }) => name.startsWith(w.unique)), [second, w.agent])
    const all = await w.oc.agents.list()
    assert.deepEqual(all.data.filter(({ name }) => name.startsWith(w.unique)), [second, w.agent])
  },
  'a new prompt is revision 2': async (w) => {
    const changed = await w.oc.agents.update(w.agent.id, { prompt: 'Rehearse well.' })
    assert.equal(changed.id, w.agent.id)
    assert.equal(changed.prompt, 'Rehearse well.')
    assert.equal(changed.revision, 2)
    assert.equal(changed.activeRevision.number, 2)
    assert.notEqual(changed.activeRevision.id, w.agent.activeRevision.id)
    assert.notEqual(changed.promptHash, w.agent.promptHash)
    assert.deepEqual(changed.limits, w.agent.limits)
    assert.deepEqual(await w.oc.agents.get(w.agent.id), changed)
  },
  'new limits are no revision': async (w) => {
    const changed = await w.oc.agents.update(w.agent.id, { limits: { tokens: 1000 } })
    assert.equal(changed.limits.tokens, 1000)
    assert.equal(changed.revision, 2)
  },
  'a key given along becomes a credential, and is not shown': async (w) => {
    const key = `sk-ant-inline-${w.unique}-wxyz`
    const keyed = await w.oc.agents.create({ ...w.wanted, name: `${w.unique}-key`, key })
    assert.match(keyed.credentialId, /^cred_/)
    assert.ok(!JSON.stringify(keyed).includes(key))
    const stored = (await w.oc.credentials.list()).find(({ id }) => id === keyed.credentialId)
    assert.equal(stored.last4, 'wxyz')
    const managed = await w.oc.agents.update(keyed.id, { credential: 'managed' })
    assert.equal(managed.credentialId, 'managed')
    const cleared = await w.oc.agents.update(keyed.id, { credential: null })
    assert.equal(cleared.credentialId ?? null, null)
  },
  'the landing page\'s agent, with a bare model': async (w) => {
    const agent = await w.oc.agents.create({
      name: `${w.unique}-landing`, model: 'claude-opus-4-8', prompt: 'Be careful.', runtime: 'native'
    })
    assert.match(agent.model, /^(anthropic\/)?claude-opus-4-8$/)
    assert.equal(agent.runtime, 'native')
  },
  'a runtime that is not there is refused with what to do': async (w) => {
    for (const runtime of ['claude-agent-sdk', 'claude', 'codex', 'pi']) {
      const params = { name: `${w.unique}-${runtime}`, model: 'claude-opus-4-8', prompt: 'Be careful.', runtime }
      const error = await refused(w.oc.agents.create(params), ValidationError,
        { status: 422, code: runtime === 'pi' ? 'not_supported' : 'runtime_unavailable', param: 'runtime' })
      assert.match(error.message, /oc runtime (install|list)/)
    }
  },
  'an agent that is not there is not found': async (w) => {
    await refused(w.oc.agents.get(`agt_${'0'.repeat(24)}`), NotFoundError, { status: 404 })
    await refused(w.oc.agents.update(`agt_${'0'.repeat(24)}`, { prompt: 'x' }), NotFoundError, { status: 404 })
  }
}
