/**
 * A delta: what the model is saying right now. It is no event, it is not kept,
 * and some may be missed; the finished message comes as an event anyway.
 */

/** A piece of an answer that is being given. */
export interface Delta {
  type: 'delta'
  /** The turn it belongs to. */
  turnId: string
  /**
   * What it is a piece of. `reset`: the answer begins anew, forget its pieces.
   * `retry`: the model is asked again in a moment; the text says why.
   */
  kind: 'text' | 'thinking' | 'tool_input' | 'reset' | 'retry' | (string & {})
  /** The piece. */
  text: string
}
