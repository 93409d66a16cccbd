/** Starts the Chromium that is installed, and nothing it would do by itself. */
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const PLACES = [process.env.OC_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** A browser without a window. */
export async function startChromium() {
  const executablePath = PLACES.find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('no Chromium found: install the package chromium, or set OC_CHROMIUM')
  return chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'
    ]
  })
}
