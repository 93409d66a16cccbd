/** Serves the page and our built client, from an origin that is not the API's. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'

const HERE = new URL('./page/', import.meta.url)
const SDK = new URL('../../sdk/typescript/dist/', import.meta.url)
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript' }

/** Starts it and gives its address. */
export async function servePages() {
  if (!existsSync(SDK)) throw new Error('build the client first: cd sdk/typescript && npm ci && npm run build')
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, 'http://x').pathname
    const file = path.startsWith('/sdk/') ? new URL(path.slice(5), SDK) : new URL(path.slice(1) || 'index.html', HERE)
    try {
      const body = await readFile(file)
      response.writeHead(200, { 'Content-Type': TYPES[extname(file.pathname)] ?? 'text/plain' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }
}
