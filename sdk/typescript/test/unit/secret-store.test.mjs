/** Secret stores: the sandbox API's address, spelling and errors. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ConflictError, NotFoundError, SecretStore } from '../../dist/index.js'
import { json, serve } from './server.mjs'

const store = { id: 'sst_1', orgId: 'org_1', name: 'ci', egressAllowlist: ['a.test'], createdAt: 'x', updatedAt: 'y' }
const at = (url) => ({ apiKey: 'osb_k', apiUrl: url })

const calls = [
  ['create', (o) => SecretStore.create({ name: 'ci', egressAllowlist: ['a.test'], ...o }),
    'POST', '/api/secret-stores', { name: 'ci', egressAllowlist: ['a.test'] }],
  ['list', (o) => SecretStore.list(o), 'GET', '/api/secret-stores'],
  ['get', (o) => SecretStore.get('sst_1', o), 'GET', '/api/secret-stores/sst_1'],
  ['update', (o) => SecretStore.update('sst_1', { egressAllowlist: [], ...o }),
    'PUT', '/api/secret-stores/sst_1', { egressAllowlist: [] }],
  ['delete', (o) => SecretStore.delete('sst_1', o), 'DELETE', '/api/secret-stores/sst_1'],
  ['setSecret', (o) => SecretStore.setSecret('sst_1', 'A_B', 'v', { allowedHosts: ['a.test'], ...o }),
    'PUT', '/api/secret-stores/sst_1/secrets/A_B', { value: 'v', allowedHosts: ['a.test'] }],
  ['setSecret, leaving the hosts', (o) => SecretStore.setSecret('sst_1', 'A', 'v', o),
    'PUT', '/api/secret-stores/sst_1/secrets/A', { value: 'v' }],
  ['deleteSecret', (o) => SecretStore.deleteSecret('sst_1', '../x', o),
    'DELETE', '/api/secret-stores/sst_1/secrets/..%2Fx'],
  ['listSecrets', (o) => SecretStore.listSecrets('sst_1', o), 'GET', '/api/secret-stores/sst_1/secrets']
]
for (const [title, call, method, path, body] of calls) {
  test(title, async (t) => {
    const { url, requests } = await serve(t, json(store))
    await call(at(url))
    const [sent] = requests
    assert.deepEqual([sent.method, sent.url, sent.body], [method, path, body])
    assert.equal(sent.headers.authorization, 'Bearer osb_k')
  })
}

test('an answer is as the server spelled it', async (t) => {
  const { url } = await serve(t, json(store))
  assert.deepEqual(await SecretStore.get('sst_1', at(url)), store)
})

test('a failure is told by its sentence, and a secret that is gone is none', async (t) => {
  const gone = await serve(t, json({ error: 'there is no secret X', code: 'not_found' }, 404))
  await SecretStore.deleteSecret('sst_1', 'X', at(gone.url))
  await assert.rejects(SecretStore.get('sst_1', at(gone.url)), (error) => {
    assert.ok(error instanceof NotFoundError)
    assert.deepEqual([error.message, error.code], ['there is no secret X', 'not_found'])
    return true
  })
  const taken = await serve(t, json({ error: 'taken' }, 409))
  await assert.rejects(SecretStore.create({ name: 'ci', ...at(taken.url) }), ConflictError)
})
