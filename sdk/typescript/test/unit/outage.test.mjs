/** When a stream is worth another try, by a clock the test sets. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ConnectionError, NotFoundError, RateLimitError } from '../../dist/index.js'
import { Outage } from '../../dist/outage.js'

const patience = { maxRetries: 2, retryDelayMs: 500, reconnectMs: 60_000, timeoutMs: 1, silenceMs: 1 }
const broken = new ConnectionError('broken')

function outage(t) {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  return new Outage(patience)
}

test('before it ever was open, the usual tries', (t) => {
  const trouble = outage(t)
  assert.deepEqual([trouble.broke(broken), trouble.broke(broken)], [500, 1000])
  assert.throws(() => trouble.broke(broken), broken)
})

test('once it was open, for as long as the patience lasts', (t) => {
  const trouble = outage(t)
  trouble.opened()
  const delays = Array.from({ length: 7 }, () => trouble.broke(broken))
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 8000, 8000])
  t.mock.timers.setTime(60_000)
  trouble.broke(broken)
  t.mock.timers.setTime(60_001)
  assert.throws(() => trouble.broke(broken), broken)
})

test('a good moment makes the patience new, and progress the delays', (t) => {
  const trouble = outage(t)
  trouble.opened()
  assert.equal(trouble.broke(broken), 500)
  t.mock.timers.setTime(50_000)
  trouble.opened()
  assert.equal(trouble.broke(broken), 1000)
  t.mock.timers.setTime(100_000)
  trouble.opened()
  trouble.progressed()
  assert.equal(trouble.broke(broken), 500)
})

test('a stream that ends at once again and again is asked ever less often', (t) => {
  const trouble = outage(t)
  assert.deepEqual(Array.from({ length: 3 }, () => trouble.ended()), [500, 1000, 2000])
})

test('what waiting cannot mend is thrown at once; a told delay is kept to', (t) => {
  const trouble = outage(t)
  trouble.opened()
  const gone = new NotFoundError(404, undefined, 'gone')
  assert.throws(() => trouble.broke(gone), gone)
  assert.equal(trouble.broke(new RateLimitError(429, undefined, 'slow down', 7)), 7000)
})
