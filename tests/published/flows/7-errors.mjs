/** Errors: the class by status, the fields by what was wrong. */
import assert from 'node:assert/strict'
import { AuthError, NotFoundError, OpenComputer, OpenComputerError, ValidationError, connectSession } from '@opencomputer/sdk'
import { refused } from '../check.mjs'

const unsupported = { status: 501, code: 'not_supported' }

export default {
  'a wrong key is 401': async (w) => {
    for (const apiKey of [`osb_${'0'.repeat(64)}`, 'nonsense']) {
      const oc = new OpenComputer({ apiKey, baseUrl: w.baseUrl })
      await refused(oc.agents.list(), AuthError, { status: 401 })
    }
  },
  'a wrong token is 401, before the stream begins': async (w) => {
    const agent = await w.oc.agents.create({ name: `${w.unique}-x`, prompt: 'Rehearse.', model: 'test/script' })
    w.agent = agent.id
    w.session = await w.oc.sessions.create({ agent: w.agent, input: 'hi' })
    const own = await connectSession({ sessionId: w.session.id, clientToken: 'ct_wrong', baseUrl: w.baseUrl })
    await refused(own.events().next(), AuthError, { status: 401 })
    await refused(own.steer('no'), AuthError, { status: 401 })
  },
  'what is not there is 404': async (w) => {
    const own = await connectSession({ sessionId: 'ses_nothing', clientToken: process.env.OC_KEY, baseUrl: w.baseUrl })
    await refused(own.events().next(), NotFoundError, { status: 404 })
    await refused(own.listEvents(), NotFoundError, { status: 404 })
    await refused(own.steer('no'), NotFoundError, { status: 404 })
  },
  'a field that is missing or wrong is 422, and named': async (w) => {
    const agent = { name: `${w.unique}-bad`, prompt: 'p', model: 'test/script' }
    const agents = [
      [{ ...agent, name: undefined }, 'name'],
      [{ ...agent, prompt: 7 }, 'prompt'],
      [{ ...agent, model: undefined }, 'model'],
      [{ ...agent, model: 'abacus/counter-1' }, 'model'],
      [{ ...agent, runtime: 'abacus' }, 'runtime'],
      [{ ...agent, credential: 'managed', key: 'k' }, ['key', 'credential']]
    ]
    for (const [params, param] of agents) await refused(w.oc.agents.create(params), ValidationError, { status: 422, param })
    const session = { agent: w.agent, input: 'hi' }
    const sessions = [
      [{ ...session, agent: undefined }, 'agent'],
      [{ ...session, input: undefined }, 'input'],
      [{ ...session, input: 7 }, 'input'],
      [{ ...session, metadata: { big: 'x'.repeat(17_000) } }, 'metadata'],
      [{ ...session, metadata: 'x' }, 'metadata'],
      [{ ...session, limits: { tokens: -1 } }, ['limits', 'limits.tokens']]
    ]
    for (const [params, param] of sessions) await refused(w.oc.sessions.create(params), ValidationError, { status: 422, param })
    await refused(w.session.steer(''), ValidationError, { status: 422 })
    await refused(w.oc.credentials.create({ key: '' }), ValidationError, { status: 422, param: 'key' })
    await refused(w.session.mintClientToken({ scopes: ['rule'] }), ValidationError, { status: 422, param: 'scopes' })
  },
  'an agent that is not there cannot be run': async (w) => {
    await refused(w.oc.sessions.create({ agent: `agt_${'0'.repeat(24)}`, input: 'hi' }), OpenComputerError, { status: [404, 422] })
  },
  'a model without a key is said at once': async (w) => {
    const agent = await w.oc.agents.create({ name: `${w.unique}-nokey`, prompt: 'p', model: 'anthropic/claude-opus-4-8' })
    const codes = ['no_credential', 'managed_unavailable']
    await refused(w.oc.sessions.create({ agent: agent.id, input: 'hi' }), ValidationError, { status: 422, code: codes })
  },
  'what is not built yet is refused by name, not ignored': async (w) => {
    await refused(w.oc.repos.list(), OpenComputerError, unsupported)
  },
  'and the server goes on': async (w) => assert.ok((await w.oc.agents.list({ limit: 1 })).data.length === 1)
}
