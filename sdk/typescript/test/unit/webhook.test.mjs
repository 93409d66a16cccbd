/** Signatures by Node's own crypto, and one that others published. */
import assert from 'node:assert/strict'
import { createHmac, webcrypto } from 'node:crypto'
import test from 'node:test'
import { WebhookVerificationError, verifyWebhook } from '../../dist/index.js'

const now = 1_700_000_000
const body = JSON.stringify({
  type: 'turn.completed', sessionId: 'ses_1', eventId: 'evt_9', metadata: { own_key: { aB: 1 } },
  event: { id: 'evt_9', seq: '9', turn_id: 'trn_1', body: { yield_reason: 'completed' }, refs: {} }
})
const base64Key = Buffer.from('a key of thirty-two bytes, truly').toString('base64')
const sign = (key, { id = 'evt_9', at = now, text = body } = {}) =>
  `v1,${createHmac('sha256', key).update(`${id}.${at}.${text}`).digest('base64')}`
const headers = (signature, more = {}) =>
  ({ 'webhook-id': 'evt_9', 'webhook-timestamp': String(now), 'webhook-signature': signature, ...more })
const verify = (given, secret = 'whsec_' + base64Key, text = body, options = {}) =>
  verifyWebhook(text, given, secret, { nowSeconds: now, crypto: webcrypto, ...options })
const key = Buffer.from(base64Key, 'base64')

const secrets = [
  ['base64 behind whsec_', `whsec_${base64Key}`, key],
  ['base64 without whsec_', base64Key, key],
  ['base64 without padding', `whsec_${base64Key.replace(/=+$/, '')}`, key],
  ['other text', 'test secret!', Buffer.from('test secret!')],
  ['other text behind whsec_: the whole secret is the key', 'whsec_not base64!', Buffer.from('whsec_not base64!')],
  ['text that decodes but not back', 'whsec_abcde', Buffer.from('whsec_abcde')],
  ['letters beyond ASCII', 'schlüssel', Buffer.from('schlüssel')]
]
for (const [given, secret, bytes] of secrets) {
  test(`a secret of ${given}`, async () => {
    assert.equal((await verify(headers(sign(bytes)), secret)).type, 'turn.completed')
    await assert.rejects(verify(headers(sign('another key')), secret), WebhookVerificationError)
  })
}

test('the example of the Standard Webhooks text', async () => {
  const delivery = await verify({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
  }, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{"test": 2432232314}', { nowSeconds: 1614265330 })
  assert.equal(delivery.test, 2432232314)
})

test('the delivery comes in camelCase, with what to handle once', async () => {
  const delivery = await verify(headers(sign(key), { 'x-oc-delivery-id': 'dlv_1' }))
  assert.deepEqual(delivery, {
    type: 'turn.completed', sessionId: 'ses_1', eventId: 'evt_9', metadata: { own_key: { aB: 1 } },
    event: { id: 'evt_9', seq: 9, turnId: 'trn_1', body: { yieldReason: 'completed' }, refs: {} },
    deliveryId: 'dlv_1', dedupeId: 'evt_9'
  })
})

const shapes = [
  ['a Headers', new Headers(headers(sign(key)))],
  ['a plain object of any case', { 'Webhook-Id': 'evt_9', 'WEBHOOK-TIMESTAMP': String(now), 'Webhook-Signature': sign(key) }],
  ['lists of values', { 'webhook-id': ['evt_9'], 'webhook-timestamp': [String(now)], 'webhook-signature': [sign(key)] }],
  ['several signatures, one of them right', headers(`v1,AAAA v1a,zzz ${sign('old')} ${sign(key)}`)]
]
for (const [given, value] of shapes) {
  test(`headers as ${given}`, async () => assert.equal((await verify(value)).eventId, 'evt_9'))
}

test('the svix names, where the id is of the delivery', async () => {
  const signature = sign(key, { id: 'msg_1' })
  const delivery = await verify({ 'svix-id': 'msg_1', 'svix-timestamp': String(now), 'svix-signature': signature })
  assert.deepEqual([delivery.deliveryId, delivery.dedupeId], ['msg_1', 'msg_1'])
})

test('a body as bytes', async () => {
  assert.equal((await verify(headers(sign(key)), undefined, new TextEncoder().encode(body))).eventId, 'evt_9')
})

const refused = [
  ['no id', { ...headers(sign(key)), 'webhook-id': undefined }],
  ['no timestamp', { ...headers(sign(key)), 'webhook-timestamp': undefined }],
  ['no signature', headers(undefined)],
  ['another id', headers(sign(key), { 'webhook-id': 'evt_8' })],
  ['another version', headers(sign(key).replace('v1,', 'v2,'))],
  ['half a signature', headers(sign(key).slice(0, 20))],
  ['a signature that is no base64', headers('v1,***')],
  ['a timestamp that is no number', headers(sign(key, { at: 'soon' }), { 'webhook-timestamp': 'soon' })]
]
for (const [given, value] of refused) {
  test(`refused: ${given}`, () => assert.rejects(verify(value), WebhookVerificationError))
}

test('refused: another body, by a space', () =>
  assert.rejects(verify(headers(sign(key)), undefined, `${body} `), /no signature matches/))

test('refused: a body that is signed but no JSON', () =>
  assert.rejects(verify(headers(sign(key, { text: 'hi' })), undefined, 'hi'), /not JSON/))

const ages = [[300, true], [-300, true], [301, false], [-301, false]]
for (const [seconds, fine] of ages) {
  test(`${seconds} seconds old is ${fine ? 'accepted' : 'refused'}`, async () => {
    const given = verify(headers(sign(key)), undefined, body, { nowSeconds: now + seconds })
    if (fine) assert.equal((await given).eventId, 'evt_9')
    else await assert.rejects(given, /too far from now/)
  })
}

test('the tolerance is the caller\'s choice', () =>
  assert.rejects(verify(headers(sign(key)), undefined, body, { nowSeconds: now + 11, toleranceSeconds: 10 }), /too far/))
