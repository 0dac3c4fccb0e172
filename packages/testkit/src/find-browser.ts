import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { BrowserError } from './browser-error.ts'
import { unpackChromium } from './unpacked-chromium.ts'

const PROBE_TIMEOUT_MS = 20_000
const NAMES = [
  'google-chrome-stable',
  'google-chrome',
  'chromium',
  'chromium-browser',
  'chrome',
  'chrome-headless-shell',
] as const
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin', '/opt/google/chrome', '/snap/bin'] as const
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
] as const
const run = promisify(execFile)

export type BrowserOptions = {
  /** The project's cache folder, absolute and writable by this user only. */
  readonly cacheDir: string
  /** Value of CHROME_PATH: this browser or none. */
  readonly chromePath?: string
  /** Value of PATH, looked through before the usual folders. */
  readonly searchPath?: string
  /** Default true: an interrupt closes the browser and ends this process. False: the caller does both. */
  readonly endOnSignals?: boolean
}

export type FoundBrowser = {
  readonly source: 'chrome_path' | 'installed' | 'unpacked'
  readonly executablePath: string
  /** As the browser prints it, such as "Chromium 147.0.7727.0". */
  readonly version: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Finds a browser that really starts: CHROME_PATH, else an installed one, else the packed one,
 * unpacked into the cache. Throws BrowserError `chrome_path_unusable`, `library_missing` or what
 * unpackChromium throws.
 */
export async function findBrowser(options: BrowserOptions): Promise<FoundBrowser> {
  const { chromePath } = options
  if (chromePath !== undefined && chromePath !== '') {
    const probe = await probeBrowser(chromePath, {})
    if (probe.ok) return found('chrome_path', chromePath, probe.version, {})
    throw new BrowserError(
      'chrome_path_unusable',
      `CHROME_PATH is ${chromePath}, which is no working Chrome or Chromium (${probe.why}): correct or unset it.`,
    )
  }
  for (const candidate of installedCandidates(options.searchPath ?? '')) {
    const probe = await probeBrowser(candidate, {})
    if (probe.ok) return found('installed', candidate, probe.version, {})
  }
  return findUnpacked(options.cacheDir)
}

async function findUnpacked(cacheDir: string): Promise<FoundBrowser> {
  const { executablePath, libraryDir, fontsFile } = await unpackChromium(cacheDir)
  const fonts = { FONTCONFIG_FILE: fontsFile }
  // The machine's libraries first: they fit its other libraries, the packed ones may not.
  let why = ''
  for (const environment of [fonts, { ...fonts, LD_LIBRARY_PATH: libraryDir }]) {
    const probe = await probeBrowser(executablePath, environment)
    if (probe.ok) return found('unpacked', executablePath, probe.version, environment)
    why = probe.why
  }
  throw new BrowserError(
    'library_missing',
    `The unpacked browser does not start (${why}). Install the missing library (Debian, Ubuntu: apt-get install libnss3 libexpat1 libgcc-s1; Fedora: dnf install nss expat libgcc) or set CHROME_PATH; if the file is damaged, remove ${join(cacheDir, 'chromium')}.`,
  )
}

function* installedCandidates(searchPath: string): Generator<string> {
  const seen = new Set<string>()
  for (const folder of [...searchPath.split(delimiter), ...FOLDERS]) {
    if (!isAbsolute(folder) || seen.has(folder)) continue
    seen.add(folder)
    for (const name of NAMES) yield join(folder, name)
  }
  yield* APPLICATIONS
}

type Probe =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly why: string }

/** Asks for the version: a stub that only tells people to install something does not answer. */
async function probeBrowser(
  path: string,
  environment: Readonly<Record<string, string>>,
): Promise<Probe> {
  try {
    await access(path, constants.X_OK)
    const { stdout } = await run(path, ['--version'], {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...environment },
      timeout: PROBE_TIMEOUT_MS,
    })
    const version = stdout.trim().split('\n')[0] ?? ''
    return /chrom(?:e|ium)/i.test(version)
      ? { ok: true, version }
      : { ok: false, why: 'no version' }
  } catch (error) {
    return { ok: false, why: explain(error) }
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : ''
  const text = stderr.trim() === '' ? error.message : stderr.trim()
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}

function found(
  source: FoundBrowser['source'],
  executablePath: string,
  version: string,
  environment: Readonly<Record<string, string>>,
): FoundBrowser {
  return { source, executablePath, version, environment }
}
