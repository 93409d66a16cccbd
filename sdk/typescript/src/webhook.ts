/**
 * Proves that a webhook came from the server: Standard Webhooks signatures,
 * checked over the raw body before anything is read from it.
 */
import { fromWire } from './casing.js'
import type { Event } from './event.js'

/** The delivery is not to be trusted. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError'
}

/** What a verified delivery says. */
export interface WebhookDelivery {
  /** The event's type. */
  type: string
  /** The session it happened in. */
  sessionId?: string
  /** The event's id. */
  eventId?: string
  /** What the caller attached to the session. */
  metadata?: Record<string, unknown> | null
  /** The event. */
  event?: Event
  /** The delivery's id. */
  deliveryId?: string
  /** The same for every try: handle it once. */
  dedupeId: string
  [field: string]: unknown
}

/** How to verify. */
export interface VerifyWebhookOptions {
  /** Seconds the sender's clock may be off; default 300. */
  toleranceSeconds?: number
  /** The time, in seconds since 1970; default now. */
  nowSeconds?: number
  /** WebCrypto, where it is no global (Node 18: `webcrypto` of `node:crypto`). */
  crypto?: Pick<Crypto, 'subtle'>
}

/** The headers of a request, as a `Headers` or as a plain object. */
export type WebhookHeaders = Headers | Record<string, string | string[] | undefined>

/**
 * Checks a delivery and returns what it says. Give it the body as it came, not
 * parsed. Throws `WebhookVerificationError`.
 */
export async function verifyWebhook(
  rawBody: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string,
  options: VerifyWebhookOptions = {}
): Promise<WebhookDelivery> {
  const dialect = header(headers, 'svix-id') === undefined ? 'webhook' : 'svix'
  const id = header(headers, `${dialect}-id`)
  const timestamp = header(headers, `${dialect}-timestamp`)
  const signatures = header(headers, `${dialect}-signature`)
  if (!id || !timestamp || !signatures) {
    throw new WebhookVerificationError(`the ${dialect}-id, -timestamp or -signature header is missing`)
  }
  checkAge(timestamp, options)
  const body = typeof rawBody === 'string' ? new TextEncoder().encode(rawBody) : rawBody
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), body)
  if (!(await isSigned(signed, signatures, secret, options))) {
    throw new WebhookVerificationError('no signature matches: is it the right secret, and the raw body?')
  }
  return envelope(body, id, dialect === 'svix' ? id : header(headers, 'x-oc-delivery-id'))
}

function header(headers: WebhookHeaders, name: string): string | undefined {
  if (typeof (headers as Headers).get === 'function') return (headers as Headers).get(name) ?? undefined
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === name)
  const value = entry?.[1] as string | string[] | undefined
  return Array.isArray(value) ? value[0] : value
}

function checkAge(timestamp: string, { toleranceSeconds = 300, nowSeconds = Date.now() / 1000 }: VerifyWebhookOptions) {
  const off = Math.abs(nowSeconds - Number(timestamp))
  // Not a number is not in time either.
  if (!(off <= toleranceSeconds)) throw new WebhookVerificationError('the timestamp is too far from now: a replay?')
}

async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  signatures: string,
  secret: string,
  options: VerifyWebhookOptions
): Promise<boolean> {
  const subtle = (options.crypto ?? globalThis.crypto)?.subtle
  if (!subtle) throw new WebhookVerificationError('there is no WebCrypto here: pass { crypto }')
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await subtle.importKey('raw', keyBytes(secret), hmac, false, ['verify'])
  for (const entry of signatures.split(' ')) {
    const signature = entry.startsWith('v1,') ? fromBase64(entry.slice(3)) : undefined
    // verify() takes the same time wherever the difference is.
    if (signature && await subtle.verify('HMAC', key, signature, signed)) return true
  }
  return false
}

/** The key in a secret: its base64 part if it is that, else its own text. */
function keyBytes(secret: string): Uint8Array<ArrayBuffer> {
  const part = secret.replace(/^whsec_/, '')
  const decoded = fromBase64(part)
  const bare = (text: string) => text.replace(/=+$/, '')
  const isBase64 = decoded && decoded.length > 0 && bare(btoa(String.fromCharCode(...decoded))) === bare(part)
  return isBase64 ? decoded : new TextEncoder().encode(secret)
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  } catch {
    return undefined
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(head.length + tail.length)
  all.set(head)
  all.set(tail, head.length)
  return all
}

function envelope(body: Uint8Array, id: string, deliveryId: string | undefined): WebhookDelivery {
  let delivery: WebhookDelivery
  try {
    delivery = fromWire(JSON.parse(new TextDecoder().decode(body))) as WebhookDelivery
  } catch {
    throw new WebhookVerificationError('the signature is right, but the body is not JSON')
  }
  if (deliveryId) delivery.deliveryId = deliveryId
  delivery.dedupeId = deliveryId === id ? id : delivery.eventId ?? id
  return delivery
}
