import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder, from `dist/test/double/`. */
const PACKAGE = new URL('../../../', import.meta.url)

export interface BuiltPage {
  readonly root: string
  readonly remove: () => Promise<void>
}

/** Where `npm test` has built the page of the double, once for all files of tests. */
const BUILT_BEFORE = process.env['PORTAL_DOUBLE_PAGE']

/** Builds the page of the double into a folder of its own below `dist`. */
export async function buildPage(): Promise<BuiltPage> {
  if (BUILT_BEFORE !== undefined) return { root: BUILT_BEFORE, remove: () => Promise.resolve() }
  const [{ build }, { default: react }, { default: tailwindcss }] = await Promise.all([
    import('vite'),
    import('@vitejs/plugin-react'),
    import('@tailwindcss/vite'),
  ])
  const outDir = await newFolder()
  await build({
    configFile: false,
    logLevel: 'warn',
    root: fileURLToPath(new URL('test/double/page', PACKAGE)),
    publicDir: fileURLToPath(new URL('src/public', PACKAGE)),
    plugins: [react(), tailwindcss()],
    build: { outDir, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  })
  return built(outDir)
}

/** Builds the portal as it is served, into a folder of its own below `dist`. */
export async function buildPortal(): Promise<BuiltPage> {
  const { build } = await import('vite')
  const outDir = await newFolder()
  const configFile = fileURLToPath(new URL('vite.config.mjs', PACKAGE))
  await build({ configFile, logLevel: 'warn', build: { outDir } })
  return built(outDir)
}

/** A module of `test/double/page` that takes sources of the portal into this process, without a browser. */
export async function loadForBrowser<T>(file: string): Promise<T> {
  const { runnerImport } = await import('vite')
  const path = fileURLToPath(new URL(`test/double/page/${file}`, PACKAGE))
  const { module } = await runnerImport<T>(path, { logLevel: 'error' })
  return module
}

async function newFolder(): Promise<string> {
  const dist = fileURLToPath(new URL('dist', PACKAGE))
  await mkdir(dist, { recursive: true })
  return mkdtemp(join(dist, 'double-'))
}

function built(root: string): BuiltPage {
  return { root, remove: () => rm(root, { recursive: true, force: true }) }
}

/** Folder for unpacked browsers and profiles. */
export const CACHE_DIR: string = fileURLToPath(new URL('../../.cache', PACKAGE))
export const PICTURES_DIR: string = fileURLToPath(new URL('../../docs/pictures', PACKAGE))
