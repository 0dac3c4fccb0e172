import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { Browser } from 'playwright-core'
import { BrowserError } from './browser-error.ts'
import { type BrowserOptions, type FoundBrowser, findBrowser } from './find-browser.ts'

const START_TIMEOUT_MS = 30_000
const REMOVE_RETRIES = 5

export type TestBrowser = {
  /** Playwright's browser; open pages with `browser.newPage()` or own contexts. */
  readonly browser: Browser
  readonly source: FoundBrowser['source']
  readonly executablePath: string
  readonly version: string
  /** Everything that the browser was started with. */
  readonly args: readonly string[]
  /** Ends the browser and removes its profile. */
  readonly close: () => Promise<void>
}

/**
 * Opens a headless browser with a fresh private profile under `cacheDir`. It gets arguments of
 * ours only, neither the driver's defaults nor the package's, since both weaken what tests of
 * origins and frames rely on, and no environment but what it needs. Throws what findBrowser
 * throws, or BrowserError `sandbox_unavailable`, `start_failed`.
 */
export async function openBrowser(options: BrowserOptions): Promise<TestBrowser> {
  if (!isAbsolute(options.cacheDir)) throw new TypeError('cacheDir must be absolute')
  const found = await findBrowser(options)
  await mkdir(options.cacheDir, { recursive: true, mode: 0o700 })
  const profileDir = await mkdtemp(join(options.cacheDir, 'browser-profile-'))
  const removeProfile = async (): Promise<void> =>
    rm(profileDir, { recursive: true, force: true, maxRetries: REMOVE_RETRIES })
  const args = browserArguments({ profileDir, isRoot: process.getuid?.() === 0 })
  const endOnSignals = options.endOnSignals ?? true
  // It takes long to load, and most tests that import this package open no browser.
  const { chromium } = await import('playwright-core')
  let browser: Browser
  try {
    browser = await chromium.launch({
      executablePath: found.executablePath,
      ignoreDefaultArgs: true,
      args: [...args],
      env: { HOME: profileDir, PATH: '/usr/local/bin:/usr/bin:/bin', ...found.environment },
      timeout: START_TIMEOUT_MS,
      handleSIGINT: endOnSignals,
      handleSIGTERM: endOnSignals,
      handleSIGHUP: endOnSignals,
    })
  } catch (error) {
    await removeProfile()
    throw explainStart(error, found)
  }
  return {
    browser,
    source: found.source,
    executablePath: found.executablePath,
    version: found.version,
    args,
    close: async () => {
      try {
        await browser.close()
      } finally {
        await removeProfile()
      }
    },
  }
}

/**
 * The command line: headless, quiet, driven over a pipe (no debugging port that others on the
 * machine could reach), with every protection of the web left on.
 */
export function browserArguments(start: {
  readonly profileDir: string
  readonly isRoot: boolean
}): readonly string[] {
  return [
    '--headless',
    '--remote-debugging-pipe',
    '--no-startup-window',
    `--user-data-dir=${start.profileDir}`,
    // The sandbox needs a user other than root: Chromium refuses to start as root with it. As
    // an ordinary user it stays on.
    ...(start.isRoot ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    // /dev/shm of a container is often too small for a page.
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-default-apps',
    '--disable-domain-reliability',
    '--disable-extensions',
    '--disable-field-trial-config',
    '--disable-sync',
    '--disable-breakpad',
    '--metrics-recording-only',
    '--no-first-run',
    '--no-default-browser-check',
    '--no-pings',
    '--password-store=basic',
    '--use-mock-keychain',
    '--mute-audio',
    '--disable-features=MediaRouter,OptimizationHints,Translate',
    // Pages in the background keep their pace, pictures look the same everywhere.
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    '--force-color-profile=srgb',
    '--hide-scrollbars',
  ]
}

function explainStart(error: unknown, found: FoundBrowser): BrowserError {
  const text = error instanceof Error ? error.message : ''
  if (/no usable sandbox|setuid sandbox|sandbox_host_linux|namespace/i.test(text)) {
    return new BrowserError(
      'sandbox_unavailable',
      `${found.executablePath} finds no usable sandbox: allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, or user.max_user_namespaces above 0), or install Google Chrome, which brings its own sandbox helper.`,
      error,
    )
  }
  return new BrowserError(
    'start_failed',
    `${found.executablePath} (${found.version}) did not start; set CHROME_PATH to another browser. ${text.slice(0, 2_000)}`,
    error,
  )
}
