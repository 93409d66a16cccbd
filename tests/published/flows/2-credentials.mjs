/** Credentials: keys go in and never come out. */
import assert from 'node:assert/strict'
import { NotFoundError } from '@opencomputer/sdk'
import { isMoment, refused } from '../check.mjs'

const mine = async (w) => (await w.oc.credentials.list()).filter(({ name }) => name?.startsWith(w.unique))
const defaults = async (w) => (await mine(w)).filter(({ isDefault }) => isDefault).map(({ id }) => id)

export default {
  'a key is stored, and not shown': async (w) => {
    const key = `sk-ant-${w.unique}-abcd`
    w.first = await w.oc.credentials.create({ provider: 'anthropic', key, name: `${w.unique} one`, isDefault: true })
    assert.match(w.first.id, /^cred_/)
    const { provider, name, last4, isDefault, createdAt } = w.first
    assert.deepEqual({ provider, name, last4, isDefault },
      { provider: 'anthropic', name: `${w.unique} one`, last4: 'abcd', isDefault: true })
    isMoment(createdAt)
    assert.ok(!JSON.stringify([w.first, await w.oc.credentials.list()]).includes(key))
  },
  'the provider is anthropic unless told otherwise, and not the default': async (w) => {
    w.second = await w.oc.credentials.create({ key: `sk-ant-${w.unique}-efgh`, name: `${w.unique} two` })
    assert.deepEqual([w.second.provider, w.second.isDefault], ['anthropic', false])
  },
  'the list has both': async (w) => {
    const ids = (await mine(w)).map(({ id }) => id).sort()
    assert.deepEqual(ids, [w.first.id, w.second.id].sort())
  },
  'a provider has one default': async (w) => {
    await w.oc.credentials.setDefault({ credential: w.second.id })
    assert.deepEqual(await defaults(w), [w.second.id])
  },
  'another provider has its own': async (w) => {
    w.third = await w.oc.credentials.create({ provider: 'openai', key: `sk-${w.unique}-ijkl`, name: `${w.unique} three`, isDefault: true })
    assert.deepEqual((await defaults(w)).sort(), [w.second.id, w.third.id].sort())
  },
  'a rotated key keeps its id': async (w) => {
    const rotated = await w.oc.credentials.rotate(w.first.id, `sk-ant-${w.unique}-mnop`)
    assert.deepEqual([rotated.id, rotated.last4], [w.first.id, 'mnop'])
  },
  'what is deleted is gone': async (w) => {
    for (const { id } of [w.first, w.second, w.third]) await w.oc.credentials.delete(id)
    assert.deepEqual(await mine(w), [])
    await refused(w.oc.credentials.delete(w.first.id), NotFoundError, { status: 404 })
    await refused(w.oc.credentials.rotate(w.first.id, 'sk-x'), NotFoundError, { status: 404 })
    await refused(w.oc.credentials.setDefault({ credential: w.first.id }), NotFoundError, { status: 404 })
  }
}
