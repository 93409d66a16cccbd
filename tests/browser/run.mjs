/**
 * A page of another origin watches and steers a session while its connections
 * are cut: by the browser's own EventSource, and by our client. OC_URL and
 * OC_KEY say where the server is. Stops at the first difference.
 */
import assert from 'node:assert/strict'
import { api } from './api.mjs'
import { startChromium } from './chromium.mjs'
import { servePages } from './pages.mjs'
import { wire } from './proxy.mjs'

const { OC_URL, OC_KEY } = process.env
if (!OC_URL || !OC_KEY) {
  console.error('set OC_URL (such as http://127.0.0.1:8080) and OC_KEY')
  process.exit(2)
}
const server = OC_URL.replace(/\/+$/, '').replace(/\/v3$/, '')
const call = api(server, OC_KEY)

const browser = await startChromium()
const pages = await servePages()
const page = await browser.newPage()
const mishaps = []
page.on('pageerror', (error) => mishaps.push(String(error)))

/** What a watcher in the page has seen so far. */
const seen = (name) => page.evaluate((given) => oc.watchers[given], name)
/** Waits until a watcher has seen so many events, or the end of a turn. */
const until = (name, what) => page.waitForFunction(
  ([given, count]) => {
    const { seqs, types, error } = oc.watchers[given]
    return error || (count === 'end' ? types.at(-1) === 'turn.completed' : seqs.length >= count)
  },
  [name, what],
  { timeout: 40_000 }
)
/** A session that says a word every so often. */
const talkative = () => call.session(
  ...Array.from({ length: 25 }, (_, i) => ({ delay_ms: 200, call: [{ tool: 'say', args: { text: `word ${i}` } }] })),
  { say: 'That is all I had to say.', chunks: 5, chunk_ms: 50 }
)
const stream = (url, { id, token }, more = '') => `${url}/v3/sessions/${id}/events?stream=sse&level=user&token=${token}${more}`
const resumptions = ({ heads }, id) => heads.filter((head) => head.includes(`/${id}/events`))
  .map((head) => Number(/^last-event-id: (\d+)/im.exec(head)?.[1] ?? 0))

const checks = {
  async 'EventSource goes on where it was, over cuts between and inside events'() {
    const line = await wire(server)
    const session = await talkative()
    await page.evaluate(([url]) => oc.watch('plain', url), [stream(line.url, session)])
    await until('plain', 3)
    line.cut()
    await until('plain', 6)
    await line.cutInsideFrame()
    await until('plain', 'end')
    const { seqs, ids, opens, errors } = await seen('plain')
    assert.deepEqual(seqs, await call.seqs(session.id, 'level=user'), 'no gap, no repeat')
    assert.deepEqual(ids.map(Number), seqs, 'the id of each frame is its number')
    assert.deepEqual([opens, errors], [3, 2])
    const from = resumptions(line, session.id)
    assert.equal(from[0], 0)
    assert.ok(from[1] >= seqs[2] && from[2] >= seqs[5], `it resumed by Last-Event-ID: ${from}`)
    line.close()
  },

  async 'the same when the address says after='() {
    const line = await wire(server)
    const session = await talkative()
    await page.evaluate(([url]) => oc.watch('after', url), [stream(line.url, session, '&after=1')])
    await until('after', 3)
    line.cut()
    await until('after', 'end')
    const { seqs, opens } = await seen('after')
    assert.deepEqual(seqs, (await call.seqs(session.id, 'level=user')).filter((seq) => seq > 1))
    assert.equal(opens, 2)
    line.close()
  },

  async 'our client does the same, and shows what is being said'() {
    const line = await wire(server)
    const session = await talkative()
    const options = { sessionId: session.id, clientToken: session.token, baseUrl: line.url }
    await page.evaluate(([given]) => { oc.follow('ours', given, 2) }, [options])
    await until('ours', 3)
    line.cut()
    await until('ours', 6)
    await line.cutInsideFrame()
    await until('ours', 'end')
    const { sent } = await page.evaluate(([given]) => oc.steer(given, 'from the page', 'm-1'), [options])
    const again = await page.evaluate(([given]) => oc.steer(given, 'from the page', 'm-1'), [options])
    assert.deepEqual(again.sent, sent)
    await page.waitForFunction(([seq]) => oc.watchers.ours.error || oc.watchers.ours.types.at(-1) === 'turn.completed' &&
      oc.watchers.ours.seqs.at(-1) > seq, [sent.seq], { timeout: 40_000 })
    const { seqs, texts, deltas, error } = await seen('ours')
    assert.equal(error, undefined)
    assert.deepEqual(seqs, await call.seqs(session.id, 'level=user'))
    assert.ok(seqs.includes(sent.seq))
    assert.ok(texts.includes('word 24'))
        assert.ok(deltas.includes('That is all I had to say.'), `the pieces make the whole: ${deltas}`)
    line.close()
  },

  async 'a wrong token closes EventSource for good'() {
    for (const token of ['ct_wrong', OC_KEY]) {
      const { id } = await call.session({ say: 'hi' })
      await page.evaluate(([url]) => oc.watch('wrong', url), [stream(server, { id, token })])
      await page.waitForFunction(() => oc.watchers.wrong.errors > 0, undefined, { timeout: 10_000 })
      const { closed, opens, errors } = await seen('wrong')
      assert.deepEqual({ closed, opens, errors }, { closed: true, opens: 0, errors: 1 })
    }
  },

  async 'the page at an agent\'s address copies its lines, and its policy lets it'() {
    const told = []
    const own = await browser.newPage()
    own.on('console', (message) => told.push(message.text()))
    own.on('pageerror', (error) => told.push(String(error)))
    const address = `${server}/agents/agt-0123456789abcdef01234567`
    await own.goto(address)
    await own.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await own.click('button >> nth=0')
    const copied = await own.evaluate(() => navigator.clipboard.readText())
    assert.ok(copied.startsWith(`curl '${address}/'`), copied)
    assert.equal(await own.textContent('button >> nth=0'), 'Copied')
    assert.deepEqual(told, [])
    await own.close()
  },

  async 'the page can read why a call was refused'() {
    const { id, token } = await call.session({ say: 'hi' })
    const refusal = async (text, clientToken) => {
      const options = { sessionId: id, clientToken, baseUrl: server }
      const { error } = await page.evaluate(([given, said]) => oc.steer(given, said), [options, text])
      return [error?.name, error?.status, typeof error?.requestId]
    }
    assert.deepEqual(await refusal('', token), ['ValidationError', 422, 'string'])
    assert.deepEqual(await refusal('hi', 'ct_wrong'), ['AuthError', 401, 'string'])
  }
}

let passed = 0
try {
  await page.goto(pages.url)
  await page.waitForFunction(() => globalThis.oc, undefined, { timeout: 10_000 })
  for (const [title, check] of Object.entries(checks)) {
    try {
      await check()
      assert.deepEqual(mishaps, [], 'nothing went wrong in the page')
    } catch (error) {
      const watchers = await page.evaluate(() => JSON.stringify(oc.watchers))
      console.error(`not ok: ${title}\n${error.stack}\nthe page saw: ${watchers}\n${passed} passed, 1 failed`)
      process.exitCode = 1
      break
    }
    passed += 1
    console.log(`ok: ${title}`)
  }
} finally {
  await browser.close()
  pages.close()
}
if (!process.exitCode) console.log(`${passed} passed, 0 failed`)
process.exit()
