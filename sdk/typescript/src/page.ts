/** Lists come a page at a time. */

/** One page of a list. */
export interface Page<T> {
  /** What is on this page. */
  data: T[]
  /** Hand it back to get the next page; null or absent on the last. */
  nextCursor?: string | null
}

/** The published package's name for a page of sessions, turns or events. */
export type ListPage<T> = Page<T>

/** Which page of a list. */
export interface PageQuery {
  /** The previous page's `nextCursor`. */
  cursor?: string | undefined
  /** How many to a page. */
  limit?: number | undefined
}
