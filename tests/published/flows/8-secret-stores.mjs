/** Secret stores: the published class against our sandbox face. */
import assert from 'node:assert/strict'
import { SecretStore } from '@opencomputer/sdk'
import { isMoment } from '../check.mjs'

const { OC_URL, OC_KEY } = process.env
const at = { apiKey: OC_KEY, apiUrl: OC_URL }

export default {
  'a store is made, read and listed': async (w) => {
    w.store = await SecretStore.create({ name: w.unique, egressAllowlist: ['api.a.test', '*.b.test'], ...at })
    const { id, orgId, name, egressAllowlist, createdAt, updatedAt } = w.store
    assert.ok(id && orgId)
    assert.deepEqual({ name, egressAllowlist }, { name: w.unique, egressAllowlist: ['api.a.test', '*.b.test'] })
    isMoment(createdAt)
    isMoment(updatedAt)
    assert.deepEqual(await SecretStore.get(id, at), w.store)
    const mine = (await SecretStore.list(at)).filter((store) => store.name === w.unique)
    assert.deepEqual(mine, [w.store])
  },
  'a name is given once': async (w) => {
    await assert.rejects(SecretStore.create({ name: w.unique, ...at }), /409/)
  },
  'a store is changed in part': async (w) => {
    const now = await SecretStore.update(w.store.id, { name: `${w.unique}-b`, ...at })
    assert.deepEqual([now.name, now.egressAllowlist], [`${w.unique}-b`, w.store.egressAllowlist])
  },
  'a secret goes in and never comes out': async (w) => {
    const value = `canary-${w.unique}`
    await SecretStore.setSecret(w.store.id, 'GITHUB_TOKEN', value, { allowedHosts: ['api.github.com'], ...at })
    await SecretStore.setSecret(w.store.id, 'OTHER', value, at)
    const all = await SecretStore.listSecrets(w.store.id, at)
    assert.deepEqual(all.map(({ name, storeId, allowedHosts }) => [name, storeId, allowedHosts]),
      [['GITHUB_TOKEN', w.store.id, ['api.github.com']], ['OTHER', w.store.id, []]])
    for (const { createdAt, updatedAt } of all) [createdAt, updatedAt].forEach(isMoment)
    assert.ok(!JSON.stringify(all).includes('canary'))
  },
  'a wrong secret is refused in words': async (w) => {
    await assert.rejects(SecretStore.setSecret(w.store.id, 'A-B', 'v', at), /400 .*variable/)
    await assert.rejects(SecretStore.setSecret(w.store.id, 'A', 'v', { allowedHosts: ['https://x'], ...at }), /400 .*allowedHosts/)
  },
  'what is deleted is gone, and deleting it again is no error': async (w) => {
    await SecretStore.deleteSecret(w.store.id, 'OTHER', at)
    await SecretStore.deleteSecret(w.store.id, 'OTHER', at)
    assert.deepEqual((await SecretStore.listSecrets(w.store.id, at)).map(({ name }) => name), ['GITHUB_TOKEN'])
    await SecretStore.delete(w.store.id, at)
    await assert.rejects(SecretStore.get(w.store.id, at), /404/)
  }
}
