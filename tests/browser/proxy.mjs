/**
 * A wire that can be cut: it carries TCP to the server, remembers the head of
 * each connection's requests, and breaks connections when told to.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Starts one in front of this address. */
export async function wire(target) {
  const { hostname, port } = new URL(target)
  const open = new Set()
  const heads = []
  /** Called with what a stream is about to deliver; true if it cut that short. */
  let scissors
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const both = { client, upstream }
    open.add(both)
    const end = () => {
      open.delete(both)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    client.on('data', (bytes) => {
      heads.push(...String(bytes).match(/^(GET|POST) [\s\S]*?\r\n\r\n/gm) ?? [])
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!scissors?.(bytes, both)) client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    heads,
    /** Cuts every connection there is. */
    cut: () => {
      for (const { client } of [...open]) client.destroy()
    },
    /** Cuts the next event that passes in two, and its connection with it. */
    cutInsideFrame: () => new Promise((done) => {
      scissors = (bytes, { client }) => {
        const at = bytes.indexOf('data: ')
        if (at < 0) return false
        scissors = undefined
        client.write(bytes.subarray(0, at + 20), () => {
          client.destroy()
          done()
        })
        return true
      }
    }),
    close: () => {
      server.close()
      for (const { client } of [...open]) client.destroy()
    }
  }
}
