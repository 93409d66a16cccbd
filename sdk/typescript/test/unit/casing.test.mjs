/** The two spellings, and what is left alone. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { fromWire, toWire } from '../../dist/casing.js'

const own = { some_key: { 'Other-Key': 1, camelKey: [{ snake_key: '7' }] } }

const answers = [
  ['names, at any depth', { turn_id: 'a', list: [{ exit_code: 1 }] }, { turnId: 'a', list: [{ exitCode: 1 }] }],
  ['digits in names', { last4: 'abcd', a_1: 2 }, { last4: 'abcd', a1: 2 }],
  ['numbers sent as text', { seq: '12', head: '9', exit_code: '-1' }, { seq: 12, head: 9, exitCode: -1 }],
  ['other text that looks like a number', { name: '12', last4: '1234' }, { name: '12', last4: '1234' }],
  ['text that is no number', { seq: '', port: 'x' }, { seq: '', port: 'x' }],
  ['null, booleans, numbers', { next_cursor: null, a: true, b: 0 }, { nextCursor: null, a: true, b: 0 }],
  ['bare values', 'a_b', 'a_b'],
  ...['raw', 'metadata', 'refs', 'vars'].map((name) => [`${name} is not ours`, { [name]: own }, { [name]: own }])
]
for (const [given, wire, js] of answers) {
  test(`from the wire: ${given}`, () => assert.deepEqual(fromWire(wire), js))
}

const requests = [
  ['names, at any depth', { turnSeconds: 5, list: [{ isDefault: true }] }, { turn_seconds: 5, list: [{ is_default: true }] }],
  ['values stay', { prompt: 'turnSeconds' }, { prompt: 'turnSeconds' }],
  ...['raw', 'body', 'metadata', 'refs', 'vars', 'input'].map((name) => [`${name} is not ours`, { [name]: own }, { [name]: own }])
]
for (const [given, js, wire] of requests) {
  test(`to the wire: ${given}`, () => assert.deepEqual(toWire(js), wire))
}

test('a name that means something to JavaScript is only a name', () => {
  const body = JSON.parse('{"__proto__": {"polluted": true}}')
  for (const value of [fromWire(body), toWire(body)]) {
    assert.equal(value.polluted, undefined)
    assert.equal(Object.keys(value).length, 1)
  }
  assert.equal({}.polluted, undefined)
})
