/** Runs the checks of a flow one after the other, each with a deadline. */
import assert from 'node:assert/strict'

/** Longest time one check may take, in milliseconds. */
const LIMIT = 60_000

let passed = 0

/** Runs the checks of one flow; they share what `world` holds and add to it. */
export async function flow(name, checks, world) {
  const shared = { ...world }
  for (const [title, check] of Object.entries(checks)) {
    try {
      await within(LIMIT, check(shared))
    } catch (error) {
      console.error(`not ok: ${name}: ${title}\n${explain(error)}\n${passed} passed, 1 failed`)
      process.exit(1)
    }
    passed += 1
    console.log(`ok: ${name}: ${title}`)
  }
}

/** Says how it went; the process ends well. */
export function finish() {
  console.log(`${passed} passed, 0 failed`)
  // A stream that a check left open must not keep the process.
  process.exit(0)
}

async function within(ms, work) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function explain(error) {
  const { status, code, param, requestId } = error
  const said = status === undefined ? '' : `\nthe server said: ${JSON.stringify({ status, code, param, requestId })}`
  return `${error.stack ?? error}${said}`
}

/** The call must fail with this class, and with these fields. */
export async function refused(call, type, fields) {
  let answer
  try {
    answer = await call
  } catch (error) {
    assert.ok(error instanceof type, `${type.name} expected, got ${explain(error)}`)
    for (const [name, value] of Object.entries(fields)) {
      const fits = Array.isArray(value) ? value.includes(error[name]) : error[name] === value
      assert.ok(fits, `${name} should be ${value}, is ${error[name]}: ${error.message}`)
    }
    assert.ok(error.message.length > 0)
    assert.match(error.requestId ?? 'none', /^req_/, 'an error carries the id of its request')
    return error
  }
  throw new assert.AssertionError({ message: `${type.name} expected, got ${JSON.stringify(answer)}` })
}

/** An RFC 3339 moment in UTC. */
export const isMoment = (value) =>
  assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)

/** A message that holds a script for the rehearsal model. */
export const script = (...replies) => `Rehearse.\n@steps\n${JSON.stringify(replies)}`

/** The events of a session up to and with the n-th end of a turn. */
export async function untilTurns(session, turns = 1, options = {}) {
  const events = []
  for await (const event of session.events(options)) {
    events.push(event)
    if (event.type === 'turn.completed' && --turns === 0) return events
  }
  throw new assert.AssertionError({ message: 'the stream ended' })
}

/** The events of one type. */
export const ofType = (events, type) => events.filter((event) => event.type === type)
