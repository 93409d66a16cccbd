/**
 * Server-sent events out of bytes, as the HTML standard defines them: any line
 * ending, any split of the bytes, comments, and no half frames.
 */

/** One event as it came over the wire. */
export interface Frame {
  /** Its name; `message` if it has none. */
  event: string
  /** Its data, lines joined by a line feed. */
  data: string
}

/** Reads bytes as they come and gives the frames they complete. */
export class FrameParser {
  /** Milliseconds the server asks to wait before a reconnection, if it asked. */
  retryMs: number | undefined
  readonly #decoder = new TextDecoder()
  #line = ''
  #skipLineFeed = false
  #event = ''
  #data: string[] = []

  /** The frames that these bytes complete, in order. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let text = this.#decoder.decode(bytes, { stream: true })
    if (text === '') return frames
    // A carriage return may be the first half of a line ending cut in two.
    if (this.#skipLineFeed && text.startsWith('\n')) text = text.slice(1)
    this.#skipLineFeed = text.endsWith('\r')
    const lines = text.split(/\r\n|\n|\r/)
    const unfinished = lines.pop() ?? ''
    for (const line of lines) {
      const frame = this.#take(this.#line + line)
      this.#line = ''
      if (frame) frames.push(frame)
    }
    this.#line += unfinished
    return frames
  }

  #take(line: string): Frame | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return undefined
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#event = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
    return undefined
  }

  #dispatch(): Frame | undefined {
    const frame = { event: this.#event || 'message', data: this.#data.join('\n') }
    const complete = this.#data.length > 0
    this.#event = ''
    this.#data = []
    return complete ? frame : undefined
  }
}
