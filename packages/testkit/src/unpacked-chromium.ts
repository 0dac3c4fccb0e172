import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, createBrotliDecompress } from 'node:zlib'
import { BrowserError } from './browser-error.ts'
import { unpackTar } from './tar.ts'

const CHROMIUM_VERSION = '147.0.0'
const OTHERS_WRITE_MASK = 0o022

export type UnpackedChromium = {
  readonly executablePath: string
  /** NSS and its kin, for machines without them. */
  readonly libraryDir: string
  readonly fontsFile: string
}

/**
 * Unpacks the browser of `@sparticuz/chromium` into `<cacheDir>/chromium/<version>`, once, and
 * returns where it lies. The package's own unpacking is not used: it goes to the shared temporary
 * folder and runs what it finds there. Another process may do the same at once; a folder appears
 * under its final name only when complete. Throws BrowserError `platform_unsupported`,
 * `cache_not_private` or `archive_malformed`.
 */
export async function unpackChromium(cacheDir: string): Promise<UnpackedChromium> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new BrowserError(
      'platform_unsupported',
      `No packed browser exists for ${process.platform}-${process.arch}: install Chrome or Chromium, or set CHROME_PATH.`,
    )
  }
  const parent = join(cacheDir, 'chromium')
  const folder = join(parent, CHROMIUM_VERSION)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  await assertPrivate(parent)
  if (!(await exists(folder))) await unpackInto(parent, folder)
  await assertPrivate(folder)
  return {
    executablePath: join(folder, 'chromium'),
    libraryDir: join(folder, 'lib'),
    fontsFile: join(folder, 'fonts.conf'),
  }
}

async function unpackInto(parent: string, folder: string): Promise<void> {
  const draft = await mkdtemp(join(parent, 'unpacking-'))
  try {
    const packed = packedDir()
    const executable = join(draft, 'chromium')
    await pipeline(
      createReadStream(join(packed, 'chromium.br')),
      createBrotliDecompress(),
      createWriteStream(executable, { mode: 0o700, flags: 'wx' }),
    )
    await chmod(executable, 0o700)
    for (const name of ['al2023.tar.br', 'fonts.tar.br']) {
      await unpackTar(brotliDecompressSync(await readFile(join(packed, name))), draft)
    }
    await writeFile(join(draft, 'fonts.conf'), fontsConfig(folder), { mode: 0o600 })
    await rename(draft, folder)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    // Another process was quicker; what it put there is judged by the caller.
    if (!(await exists(folder))) throw error
  }
}

/** The package exports no path but its entry, which lies in build/esm. */
function packedDir(): string {
  const entry = fileURLToPath(import.meta.resolve('@sparticuz/chromium'))
  return join(dirname(entry), '..', '..', 'bin')
}

/** The machine's fonts first, the packed ones for a machine that has none. */
function fontsConfig(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${escapeXml(join(folder, 'fonts'))}</dir>
  <cachedir>${escapeXml(join(folder, 'fonts-cache'))}</cachedir>
</fontconfig>
`
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}

/** What lies here is executed, so nobody else may have put it there. */
async function assertPrivate(folder: string): Promise<void> {
  const stat = await lstat(folder)
  const mine = stat.isDirectory() && stat.uid === process.getuid?.()
  if (mine && (stat.mode & OTHERS_WRITE_MASK) === 0) return
  throw new BrowserError(
    'cache_not_private',
    `${folder} is not a folder that only this user can write: remove it and run again.`,
  )
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
