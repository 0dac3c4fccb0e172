import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { asObject, parseJsonObject } from '@trustgw/protocol'
import { ConnectorFault } from './mcp-client.ts'

export interface ResolvedPackage {
  readonly version: string
  /** Absolute path of the JavaScript file that its `bin` names. */
  readonly entry: string
  /** SHA-256 of that file. */
  readonly entry_sha256: string
}

const PACKAGE_JSON_MAX_BYTES = 262_144

/** Finds an installed npm package from a folder upwards. Nothing is installed. */
export async function resolvePackage(name: string, from: string): Promise<ResolvedPackage> {
  for (let folder = from; ; folder = dirname(folder)) {
    const root = join(folder, 'node_modules', name)
    const text = await readFile(join(root, 'package.json')).catch(() => undefined)
    if (text !== undefined) return await readPackage(name, root, text)
    if (dirname(folder) === folder) break
  }
  throw new ConnectorFault('connector_package_missing', name)
}

async function readPackage(name: string, root: string, text: Buffer): Promise<ResolvedPackage> {
  const parsed = parseJsonObject(text, { maxBytes: PACKAGE_JSON_MAX_BYTES })
  const { version, bin } = parsed.ok ? parsed.value : {}
  const file = typeof bin === 'string' ? bin : Object.values(asObject(bin ?? null) ?? {})[0]
  if (typeof version !== 'string' || typeof file !== 'string') {
    throw new ConnectorFault('connector_package_missing', `${name} has no version or no bin`)
  }
  const home = await realpath(root)
  const entry = await realpath(join(root, file)).catch(() => undefined)
  if (entry === undefined || relative(home, entry).split(sep)[0] === '..') {
    throw new ConnectorFault('connector_package_missing', `${name}: bin is outside of it`)
  }
  const bytes = await readFile(entry)
  return { version, entry, entry_sha256: createHash('sha256').update(bytes).digest('hex') }
}
