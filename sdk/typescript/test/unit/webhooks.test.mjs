/** Destinations and deliveries: their addresses, bodies and spelling. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { OpenComputer } from '../../dist/index.js'
import { json, serve } from './server.mjs'

const at = '/v3/sessions/ses_1'
const calls = [
  ['a destination is made', (s) => s.destinations.create({ url: 'https://a.test', includeRaw: true, types: null }),
    'POST', `${at}/destinations`, { url: 'https://a.test', include_raw: true, types: null }],
  ['they are listed', (s) => s.destinations.list(), 'GET', `${at}/destinations`],
  ['one is read', (s) => s.destinations.get('dst_1'), 'GET', `${at}/destinations/dst_1`],
  ['one is changed', (s) => s.destinations.update('dst_1', { secret: null }),
    'PATCH', `${at}/destinations/dst_1`, { secret: null }],
  ['one is deleted', (s) => s.destinations.delete('../x'), 'DELETE', `${at}/destinations/..%2Fx`],
  ['deliveries are listed', (s) => s.deliveries.list({ status: 'failed', after: null, limit: 2 }),
    'GET', `${at}/deliveries?status=failed&limit=2`],
  ['one of them is read', (s) => s.deliveries.get('dlv_1_2'), 'GET', `${at}/deliveries/dlv_1_2`],
  ['one is made again', (s) => s.deliveries.redeliver('dlv_1_2'), 'POST', `${at}/deliveries/dlv_1_2/redeliver`]
]
for (const [title, call, method, path, body] of calls) {
  test(title, async (t) => {
    const { url, requests } = await serve(t, json({ id: 'ses_1', status: 'idle', data: [] }))
    const session = await new OpenComputer({ apiKey: 'osb_k', baseUrl: url }).sessions.get('ses_1')
    await call(session)
    const sent = requests.at(-1)
    assert.deepEqual([sent.method, sent.url, sent.body], [method, path, body])
  })
}

test('a delivery is spelled as JavaScript does', async (t) => {
  const row = { id: 'dlv_1', event_seq: 7, response_code: '500', last_attempt_at: 'x', status: 'failed' }
  const { url } = await serve(t, json(row))
  const session = await new OpenComputer({ apiKey: 'osb_k', baseUrl: url }).sessions.get('ses_1')
  const delivery = await session.deliveries.get('dlv_1')
  assert.deepEqual([delivery.eventSeq, delivery.responseCode, delivery.lastAttemptAt], [7, 500, 'x'])
})
