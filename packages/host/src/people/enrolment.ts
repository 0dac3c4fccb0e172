import { mkdir, open, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import {
  canonicalize,
  constantTimeEqual,
  type Id,
  integerShape,
  type JsonObject,
  makeId,
  objectShape,
  oneOfShape,
  optionalMember,
  parsedShape,
  parseHash,
  parseId,
  parseJsonObject,
  parseTenantId,
  readShape,
  type Shape,
  stringShape,
  type TenantId,
} from '@trustgw/protocol'
import { type Random, sha256 } from '@trustgw/runtime'
import { newNonce } from '../crypto.ts'
import { type PersonId, personIdField, rolesField } from './person.ts'

/** How long an enrolment link works, unless told otherwise. */
export const ENROLMENT_TTL_MS: number = 24 * 60 * 60_000
/** How long a link works that an admin gave in the portal. */
export const INVITATION_TTL_MS: number = 15 * 60_000
/** Longest life of an enrolment link. */
export const ENROLMENT_TTL_MAX_MS: number = 30 * 24 * 60 * 60_000
const ENROLMENT_FILE_MAX_BYTES = 4_096
const TOKEN_MAX_CHARS = 128
const ID_RANDOM_BYTES = 16
const LATEST_MS = 8_640_000_000_000_000

export type EnrolmentId = Id<'enrolment'>

/** An open enrolment: whom it makes. The secret is known by its hash only. */
export interface Enrolment {
  readonly v: 1
  readonly id: EnrolmentId
  readonly tenant: TenantId
  readonly person: PersonId
  readonly roles: readonly string[]
  /** SHA-256 of the token's secret part. */
  readonly token_hash: string
  readonly created_at: number
  readonly expires_at: number
  /** Who gave the link in the portal; absent where the operator did. */
  readonly by?: PersonId
  /** `invitation` makes somebody new; `recovery` takes all former passkeys away. Goes with `by`. */
  readonly kind?: EnrolmentKind
}

export type EnrolmentKind = 'invitation' | 'recovery'

const hashText: Shape<string> = parsedShape(
  stringShape({ max: 71, characters: 'token' }),
  'sha256',
  parseHash,
)

const timeField: Shape<number> = integerShape({ min: 0, max: LATEST_MS })

const enrolmentShape: Shape<Enrolment> = objectShape({
  v: oneOfShape(1),
  id: parsedShape(stringShape({ max: 40, characters: 'token' }), 'enrolment_id', (text) =>
    parseId('enrolment', text),
  ),
  tenant: parsedShape(stringShape({ max: 31, characters: 'token' }), 'tenant', parseTenantId),
  person: personIdField,
  roles: rolesField,
  token_hash: hashText,
  created_at: timeField,
  expires_at: timeField,
  by: optionalMember(personIdField),
  kind: optionalMember(oneOfShape('invitation', 'recovery')),
})

export interface CreateEnrolment {
  /** The host's folder of enrolments; made with mode 0700 where it is absent. */
  readonly folder: string
  readonly tenant: TenantId
  readonly person: PersonId
  readonly roles: readonly string[]
  readonly now: number
  readonly random: Random
  /** Default {@link ENROLMENT_TTL_MS}, at most {@link ENROLMENT_TTL_MAX_MS}. */
  readonly ttlMs?: number
  /** An admin, where one made it in the portal. */
  readonly given?: { readonly by: PersonId; readonly kind: EnrolmentKind }
}

export interface CreatedEnrolment {
  readonly id: EnrolmentId
  /** Shown once; the link is `<origin>/enrol#<token>`. Stored nowhere. */
  readonly token: string
  readonly expiresAt: number
}

export class EnrolmentFault extends Error {
  readonly code = 'enrolment_settings'
}

/** Opens an enrolment. Fault `enrolment_settings` on a person, role or time that is not allowed. */
export async function createEnrolment(options: CreateEnrolment): Promise<CreatedEnrolment> {
  const ttlMs = options.ttlMs ?? ENROLMENT_TTL_MS
  if (!Number.isSafeInteger(ttlMs) || ttlMs <= 0 || ttlMs > ENROLMENT_TTL_MAX_MS) {
    throw new EnrolmentFault('the time to live is out of range')
  }
  const id = makeId('enrolment', options.random.bytes(ID_RANDOM_BYTES))
  const secret = newNonce(options.random)
  const file: JsonObject = {
    v: 1,
    id,
    tenant: options.tenant,
    person: options.person,
    roles: [...options.roles],
    token_hash: `sha256:${sha256(secret)}`,
    created_at: options.now,
    expires_at: options.now + ttlMs,
    ...options.given,
  }
  const read = readShape(enrolmentShape, file)
  if (!read.ok) throw new EnrolmentFault(`not allowed: ${read.detail ?? read.reason}`)
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  const handle = await open(pathOf(options.folder, id), 'wx', 0o600)
  try {
    await handle.writeFile(`${canonicalize(file)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { id, token: `${id}.${secret}`, expiresAt: options.now + ttlMs }
}

/** The open enrolments of one tenant, in files that the command line writes and the host removes. */
export class EnrolmentFiles {
  readonly #folder: string
  readonly #tenant: TenantId

  constructor(folder: string, tenant: TenantId) {
    this.#folder = folder
    this.#tenant = tenant
  }

  /**
   * The enrolment of a token, or `undefined` for an unknown, removed, expired or mistaken one.
   * Does NOT say that it was not used yet: that is settled where the person is stored.
   */
  async find(token: string, now: number): Promise<Enrolment | undefined> {
    if (token.length > TOKEN_MAX_CHARS) return undefined
    const [head = '', secret = '', ...rest] = token.split('.')
    const id = parseId('enrolment', head)
    if (!id.ok || secret === '' || rest.length > 0) return undefined
    const enrolment = await this.#read(id.value)
    if (enrolment === undefined || now >= enrolment.expires_at) return undefined
    return constantTimeEqual(enrolment.token_hash, `sha256:${sha256(secret)}`)
      ? enrolment
      : undefined
  }

  /** Forgets a used enrolment. Absent already is fine. */
  async remove(id: EnrolmentId): Promise<void> {
    try {
      await unlink(pathOf(this.#folder, id))
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }

  /** Takes back every open link for a person, which those in hand notice at their end. */
  async removeFor(person: PersonId): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      const id = parseId('enrolment', name.replace(/\.json$/, ''))
      const enrolment = id.ok ? await this.#read(id.value) : undefined
      if (enrolment?.person === person) await this.remove(enrolment.id)
    }
  }

  async #read(id: EnrolmentId): Promise<Enrolment | undefined> {
    let bytes: Uint8Array
    try {
      bytes = await readFile(pathOf(this.#folder, id))
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
    const parsed = parseJsonObject(bytes, { maxBytes: ENROLMENT_FILE_MAX_BYTES })
    if (!parsed.ok) return undefined
    const read = readShape(enrolmentShape, parsed.value)
    if (!read.ok || read.value.id !== id || read.value.tenant !== this.#tenant) return undefined
    return read.value
  }
}

/** The id holds letters, digits and `_` only, so it names a file in the folder and nothing else. */
function pathOf(folder: string, id: EnrolmentId): string {
  return join(folder, `${id}.json`)
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
