import { readFile } from 'node:fs/promises'
import {
  base64urlDecode,
  base64urlEncode,
  isJsonArray,
  isJsonObject,
  type Json,
  type JwsVerifier,
  parseJson,
  parseTenantId,
  type TenantId,
} from '@trustgw/protocol'
import { atomicWriteFile, FileFault } from '../file/private-file.ts'
import { ED25519_PUBLIC_KEY_BYTES, verifierOf } from './ed25519.ts'

export const KEY_ROLES = ['operator', 'grant', 'host', 'session', 'result', 'audit', 'log'] as const
export type KeyRole = (typeof KEY_ROLES)[number]

/** A key whose signatures are believed, in one role only. */
export interface PublicKey {
  readonly kid: string
  readonly role: KeyRole
  /** The raw 32 bytes. */
  readonly publicKey: Uint8Array
  /** Who holds the private half: `gateway`, `host`, `exec-<profile>`, `log`, `operator`. */
  readonly component: string
  /** Believed for this tenant only; absent: for all. */
  readonly tenant?: TenantId
}

export interface KeyQuery {
  readonly role: KeyRole
  readonly component?: string
  readonly tenant?: TenantId
}

export const PUBLIC_KEYS_MAX = 1_024
const PUBLIC_KEYS_MAX_BYTES: number = 1024 * 1024
const PUBLIC_FILE_MODE = 0o644

/** The public keys of an installation. Verifiers are made once, when it is loaded. */
export class PublicKeys {
  readonly keys: readonly PublicKey[]
  readonly #verifiers = new Map<string, { readonly key: PublicKey; readonly verify: JwsVerifier }>()

  /** `TypeError` on a key id that comes twice or a key that is not 32 bytes. */
  constructor(keys: readonly PublicKey[]) {
    this.keys = keys
    for (const key of keys) {
      const verify = verifierOf(key.publicKey)
      if (verify === undefined || this.#verifiers.has(key.kid)) throw new TypeError('key set')
      this.#verifiers.set(key.kid, { key, verify })
    }
  }

  /** The lookup to give to `verifyJws`: only keys of this role (and holder, and tenant) are found. */
  keyFor(query: KeyQuery): (kid: string) => JwsVerifier | undefined {
    return (kid) => {
      const found = this.#verifiers.get(kid)
      return found !== undefined && matches(found.key, query) ? found.verify : undefined
    }
  }

  /** The entry of a key id, in a role. */
  find(kid: string, role: KeyRole): PublicKey | undefined {
    const found = this.#verifiers.get(kid)
    return found?.key.role === role ? found.key : undefined
  }
}

/** Reads `public/keys.json`. `FileFault` `file_missing`, `file_too_large`, `file_malformed`. */
export async function loadPublicKeys(file: string): Promise<PublicKeys> {
  const text = await readFile(file).catch((error: unknown) => {
    throw new FileFault('file_missing', file, { cause: error })
  })
  if (text.length > PUBLIC_KEYS_MAX_BYTES) throw new FileFault('file_too_large', file)
  const parsed = parseJson(new Uint8Array(text), { maxBytes: PUBLIC_KEYS_MAX_BYTES })
  const keys = parsed.ok ? parseKeys(parsed.value) : undefined
  if (keys === undefined) throw new FileFault('file_malformed', file)
  try {
    return new PublicKeys(keys)
  } catch (error) {
    throw new FileFault('file_malformed', file, { cause: error })
  }
}

/** Writes `public/keys.json` whole. */
export async function writePublicKeys(file: string, keys: readonly PublicKey[]): Promise<void> {
  const entries = new PublicKeys(keys).keys.map(({ kid, role, publicKey, component, tenant }) => ({
    kid,
    role,
    public: base64urlEncode(publicKey),
    component,
    ...(tenant === undefined ? {} : { tenant }),
  }))
  await atomicWriteFile(file, `${JSON.stringify(entries, null, 2)}\n`, { mode: PUBLIC_FILE_MODE })
}

function matches(key: PublicKey, query: KeyQuery): boolean {
  if (key.role !== query.role) return false
  if (query.component !== undefined && key.component !== query.component) return false
  return key.tenant === undefined || key.tenant === query.tenant
}

function parseKeys(value: Json): readonly PublicKey[] | undefined {
  if (!isJsonArray(value) || value.length > PUBLIC_KEYS_MAX) return undefined
  const keys: PublicKey[] = []
  for (const entry of value) {
    const key = parseKey(entry)
    if (key === undefined) return undefined
    keys.push(key)
  }
  return keys
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

function parseKey(value: Json): PublicKey | undefined {
  if (!isJsonObject(value)) return undefined
  const { kid, role, public: encoded, component, tenant, ...rest } = value
  if (Object.keys(rest).length > 0 || !isName(kid) || !isName(component)) return undefined
  const known = KEY_ROLES.find((name) => name === role)
  const publicKey = rawKeyOf(encoded)
  if (known === undefined || publicKey === undefined) return undefined
  const key = { kid, role: known, publicKey, component }
  if (tenant === undefined) return key
  const slug = typeof tenant === 'string' ? parseTenantId(tenant) : undefined
  return slug?.ok === true ? { ...key, tenant: slug.value } : undefined
}

function rawKeyOf(encoded: Json | undefined): Uint8Array | undefined {
  const bytes = typeof encoded === 'string' ? base64urlDecode(encoded) : undefined
  return bytes?.length === ED25519_PUBLIC_KEY_BYTES ? bytes : undefined
}

function isName(value: Json | undefined): value is string {
  return typeof value === 'string' && NAME.test(value)
}
