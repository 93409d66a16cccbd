/** Keys that make a repeated write harmless. */

/**
 * A fresh key. It needs to be unlikely to repeat, not secret, so it settles
 * for less where there is no WebCrypto.
 */
export function freshKey(): string {
  const bytes = new Uint8Array(16)
  if (globalThis.crypto) globalThis.crypto.getRandomValues(bytes)
  else bytes.forEach((_, i) => { bytes[i] = Math.floor(Math.random() * 256) })
  return `sdk-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
