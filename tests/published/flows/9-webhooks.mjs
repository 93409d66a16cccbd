/** Webhooks, received here: the server must be let through to this machine (OC_ALLOW_PRIVATE=1). */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { NotFoundError, ValidationError, verifyWebhook } from '@opencomputer/sdk'
import { isMoment, refused, untilTurns } from '../check.mjs'

/** A receiver that keeps what came and answers with the status in `answers`. */
async function receiver() {
  const got = []
  const waiting = []
  const answers = { status: 200 }
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(answers.status).end('{}')
      waiting.splice(0).forEach((tell) => tell())
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const until = async (many) => {
    while (got.length < many) await new Promise((resolve) => waiting.push(resolve))
    return got
  }
  return { url: `http://127.0.0.1:${server.address().port}/hook`, got, until, answers }
}

const rows = (answer) => (Array.isArray(answer) ? answer : answer.data)

/** The delivery once it is in that state. */
async function settled(session, id, status) {
  for (;;) {
    const delivery = await session.deliveries.get(id)
    if (delivery.status === status) return delivery
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export default {
  'a webhook of the create hears everything a user would, from the start': async (w) => {
    w.hook = await receiver()
    w.agent = await w.oc.agents.create({ name: `${w.unique}-w`, prompt: 'Rehearse.', model: 'test/demo' })
    const metadata = { own_key: { aB: 1 } }
    w.session = await w.oc.sessions.create({ agent: w.agent.id, input: 'one', webhook: w.hook.url, metadata })
    await untilTurns(w.session)
    const events = (await w.session.listEvents({ level: 'user' })).data
    const got = await w.hook.until(events.length)
    assert.deepEqual(got.map(({ headers }) => headers['webhook-id']), events.map(({ id }) => id))
    const first = JSON.parse(got[0].body)
    assert.deepEqual([first.sessionId, first.eventId, first.type], [w.session.id, events[0].id, 'user.message'])
    assert.deepEqual(first.metadata, metadata)
    assert.equal(got[0].headers['webhook-signature'], undefined)
  },
  'a destination with a secret is told of what comes, verified by verifyWebhook': async (w) => {
    w.signed = await receiver()
    w.destination = await w.session.destinations.create({
      url: w.signed.url, secret: 'whsec_c29tZSBieXRlcw==', level: 'internal', types: ['turn.*'], includeRaw: true
    })
    const made = w.destination
    assert.match(made.id, /^dst_/)
    assert.deepEqual(
      [made.kind, made.url, made.level, made.types, made.includeRaw, made.enabled, made.hasSecret, made.session],
      ['webhook', w.signed.url, 'internal', ['turn.*'], true, true, true, w.session.id]
    )
    isMoment(made.createdAt)
    await w.session.steer('two')
    const [one] = await w.signed.until(2)
    const said = await verifyWebhook(one.body, one.headers, 'whsec_c29tZSBieXRlcw==')
    assert.equal(said.type, 'turn.started')
    assert.equal(said.dedupeId, said.eventId)
    assert.ok(made.createdAfterSeq < said.event.seq)
    assert.equal(said.event.turnId, (await w.session.event(said.eventId)).turnId)
    await assert.rejects(verifyWebhook(one.body, one.headers, 'whsec_b3RoZXI='))
    w.delivery = said.deliveryId
  },
  'destinations are listed, read and changed; a new secret signs beside the old one': async (w) => {
    const { id } = w.destination
    assert.equal(rows(await w.session.destinations.list()).length, 2)
    assert.equal((await w.session.destinations.get(id)).id, id)
    const changed = await w.session.destinations.update(id, { secret: 'another secret', types: ['turn.started'] })
    assert.deepEqual(changed.types, ['turn.started'])
    await untilTurns(w.session, 2)
    await w.session.steer('three')
    const last = (await w.signed.until(3)).at(-1)
    for (const secret of ['another secret', 'whsec_c29tZSBieXRlcw==']) await verifyWebhook(last.body, last.headers, secret)
    await untilTurns(w.session, 3)
  },
  'deliveries are listed, read and made again with the same id': async (w) => {
    const before = await settled(w.session, w.delivery, 'delivered')
    assert.deepEqual([before.attempts, before.responseCode, before.destination], [1, 200, w.destination.id])
    const listed = rows(await w.session.deliveries.list({ destination: w.destination.id, status: 'delivered' }))
    assert.ok(listed.some(({ id }) => id === w.delivery))
    const count = w.signed.got.length
    await w.session.deliveries.redeliver(w.delivery)
    const again = (await w.signed.until(count + 1)).at(-1)
    assert.equal(again.headers['webhook-id'], before.eventId)
    assert.equal((await settled(w.session, w.delivery, 'delivered')).attempts, 2)
  },
  'what is wrong or not there is told': async (w) => {
    const create = (wish) => w.session.destinations.create(wish)
    await refused(create({ url: 'ftp://example.com' }), ValidationError, { status: 422, param: 'url' })
    await refused(create({ url: w.hook.url, level: 'debug' }), ValidationError, { status: 422, param: 'level' })
    await refused(w.session.destinations.get('dst_nothing'), NotFoundError, { status: 404 })
    await refused(w.session.deliveries.get('dlv_nothing_1'), NotFoundError, { status: 404 })
    await w.session.destinations.delete(w.destination.id)
    await refused(w.session.destinations.get(w.destination.id), NotFoundError, { status: 404 })
  }
}
