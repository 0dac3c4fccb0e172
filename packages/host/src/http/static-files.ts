import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

export const STATIC_FILES_MAX_COUNT = 512
export const STATIC_TOTAL_MAX_BYTES: number = 32 * 1024 * 1024
const STATIC_DEPTH_MAX_COUNT = 6

const TYPES: ReadonlyMap<string, string> = new Map([
  ['html', 'text/html; charset=utf-8'],
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
  ['json', 'application/json'],
  ['webmanifest', 'application/manifest+json'],
  ['svg', 'image/svg+xml'],
  ['png', 'image/png'],
  ['ico', 'image/x-icon'],
  ['woff2', 'font/woff2'],
  ['txt', 'text/plain; charset=utf-8'],
])

/** Vite writes the content's hash into the names below this folder. */
const HASHED = /^\/assets\/[^/]+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/

/** Smaller ones fit one packet anyway. */
const COMPRESSED_FROM_BYTES = 1_024
const TEXTUAL = /^(?:text\/|image\/svg|application\/(?:json|manifest))/

export interface StaticFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The same, compressed; undefined where that is not worth it. Nothing in it is anybody's secret. */
  readonly gzip: Uint8Array<ArrayBuffer> | undefined
  readonly type: string
  readonly etag: string
  readonly cacheControl: string
}

/** Paths beginning with `/`, as they occur in a URL. */
export type StaticFiles = ReadonlyMap<string, StaticFile>

export class StaticFilesFault extends Error {
  readonly code = 'static_files'
}

/**
 * Reads the portal's files into memory once. A request is answered by an exact look-up in this
 * map, so that no path of a request ever reaches the file system. Links, hidden files and unknown
 * types are left out. An absent folder gives an empty map. Fault when the folder is unreasonably
 * large.
 */
export async function loadStaticFiles(folder: string): Promise<StaticFiles> {
  const files = new Map<string, StaticFile>()
  let total = 0
  for (const path of await listFiles(folder, '', 0)) {
    const type = TYPES.get(path.slice(path.lastIndexOf('.') + 1))
    if (type === undefined) continue
    const bytes = new Uint8Array(await readFile(join(folder, path)))
    total += bytes.length
    if (files.size >= STATIC_FILES_MAX_COUNT || total > STATIC_TOTAL_MAX_BYTES) {
      throw new StaticFilesFault('the portal folder holds more than the portal')
    }
    files.set(path, describe(path, type, bytes))
  }
  return files
}

function describe(path: string, type: string, bytes: Uint8Array<ArrayBuffer>): StaticFile {
  const hash = createHash('sha256').update(bytes).digest('base64url')
  const cacheControl = HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache'
  const isWorthIt = TEXTUAL.test(type) && bytes.length >= COMPRESSED_FROM_BYTES
  const gzip = isWorthIt ? new Uint8Array(gzipSync(bytes, { level: 9 })) : undefined
  return { bytes, gzip, type, etag: `"${hash}"`, cacheControl }
}

async function listFiles(root: string, below: string, depth: number): Promise<readonly string[]> {
  if (depth > STATIC_DEPTH_MAX_COUNT) return []
  let entries: Dirent[]
  try {
    entries = await readdir(join(root, below), { withFileTypes: true })
  } catch (error) {
    if (depth === 0 && isAbsent(error)) return []
    throw error
  }
  const paths: string[] = []
  for (const entry of entries) {
    if (!NAME.test(entry.name)) continue
    const path = `${below}/${entry.name}`
    if (entry.isFile()) paths.push(path)
    if (entry.isDirectory()) paths.push(...(await listFiles(root, path, depth + 1)))
  }
  return paths
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
