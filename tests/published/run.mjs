/**
 * Drives a running server with the published SDK: every call that concerns
 * what is built. OC_URL and OC_KEY say where; one run at a time to an org, for
 * the default credential is the org's. Stops at the first difference.
 */
import { readdirSync } from 'node:fs'
import { OpenComputer } from '@opencomputer/sdk'
import { finish, flow } from './check.mjs'

const { OC_URL, OC_KEY } = process.env
if (!OC_URL || !OC_KEY) {
  console.error('set OC_URL (such as http://127.0.0.1:8080) and OC_KEY')
  process.exit(2)
}
const baseUrl = `${OC_URL.replace(/\/+$/, '').replace(/\/v3$/, '')}/v3`

/** What every flow gets: a client, the address, and a word that makes names one of a kind. */
const world = {
  oc: new OpenComputer({ apiKey: OC_KEY, baseUrl }),
  baseUrl,
  unique: `p${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`
}

const only = process.argv[2]
for (const file of readdirSync(new URL('./flows', import.meta.url)).sort()) {
  if (only && !file.includes(only)) continue
  const { default: checks } = await import(`./flows/${file}`)
  await flow(file.replace('.mjs', ''), checks, world)
}
finish()
