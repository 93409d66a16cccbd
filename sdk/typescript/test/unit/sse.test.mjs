/** Frames out of bytes, whatever the line ending and wherever the cut. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { FrameParser } from '../../dist/sse.js'

const encode = (text) => new TextEncoder().encode(text)
const message = (data) => ({ event: 'message', data })

const cases = [
  ['one frame', 'id: 1\ndata: a\n\n', [message('a')]],
  ['two frames', 'data: a\n\ndata: b\n\n', [message('a'), message('b')]],
  ['carriage returns and line feeds', 'id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n', [message('a'), message('b')]],
  ['carriage returns alone', 'data: a\r\rdata: b\r\r', [message('a'), message('b')]],
  ['mixed line endings', 'data: a\r\n\ndata: b\n\r\n', [message('a'), message('b')]],
  ['a comment between', 'data: a\n\n: ping\n\ndata: b\n\n', [message('a'), message('b')]],
  ['a comment inside', 'data: a\n: ping\ndata: b\n\n', [message('a\nb')]],
  ['data over several lines', 'data: a\ndata:\ndata: b\n\n', [message('a\n\nb')]],
  ['no space after the colon', 'data:a\n\n', [message('a')]],
  ['only the first space goes', 'data:  a\n\n', [message(' a')]],
  ['a field without a colon', 'data\n\n', [message('')]],
  ['a name', 'event: delta\ndata: a\n\ndata: b\n\n', [{ event: 'delta', data: 'a' }, message('b')]],
  ['a name without data is forgotten', 'event: delta\n\ndata: b\n\n', [message('b')]],
  ['an id without data', 'id: 4\n\n', []],
  ['unknown fields', 'what: ever\ndata: a\n\n', [message('a')]],
  ['half a frame at the end', 'data: a\n\ndata: b\n', [message('a')]],
  ['a byte order mark', '\ufeffdata: a\n\n', [message('a')]],
  ['letters of two, three and four bytes', 'data: ü€😀\n\n', [message('ü€😀')]]
]

for (const [given, text, frames] of cases) {
  test(`${given}: whole, cut anywhere, and byte by byte`, () => {
    const bytes = encode(text)
    assert.deepEqual(new FrameParser().push(bytes), frames)
    for (let cut = 1; cut < bytes.length; cut++) {
      const parser = new FrameParser()
      const got = [...parser.push(bytes.slice(0, cut)), ...parser.push(bytes.slice(cut))]
      assert.deepEqual(got, frames, `cut at ${cut}`)
    }
    const parser = new FrameParser()
    assert.deepEqual(Array.from(bytes).flatMap((byte) => parser.push(Uint8Array.of(byte))), frames)
  })
}

test('a frame is given as soon as its last byte is there', () => {
  const parser = new FrameParser()
  assert.deepEqual(parser.push(encode('data: a\r\n\r')), [message('a')])
  assert.deepEqual(parser.push(encode('\ndata: b\n\n')), [message('b')])
})

test('the wish for a delay is kept, if it is a number', () => {
  const parser = new FrameParser()
  parser.push(encode('retry: soon\n\n'))
  assert.equal(parser.retryMs, undefined)
  parser.push(encode('retry: 250\n\n'))
  assert.equal(parser.retryMs, 250)
})
