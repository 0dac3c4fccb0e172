import {
  arrayShape,
  base64urlDecode,
  base64urlEncode,
  canonicalize,
  contractJson,
  type GrantedAction,
  grantedActionJson,
  integerShape,
  type JsonObject,
  jsonObjectShape,
  mapShape,
  objectShape,
  oneOfShape,
  optionalMember,
  parseJsonObject,
  type ShapeOf,
  sealedBundleJson,
  sealedBundleShape,
  stringShape,
  tenantField,
  toolContractShape,
} from '@trustgw/protocol'
import type { AdmissionReason } from '../../../src/admit/reasons.ts'
import { NOW, PROFILE, TENANT, type World } from '../world.ts'

const text = stringShape({ max: 600_000, characters: 'any' })
const names = arrayShape(stringShape({ max: 100 }), { max: 32 })

/**
 * A pin as an executor might hold it. Unlike `pinShape` it takes every key: what is made of a bad one
 * is what the vectors ask.
 */
const heldPinShape = objectShape({
  tenant: tenantField,
  person: stringShape({ max: 128 }),
  roles: names,
  credential_id: stringShape({ max: 1_400 }),
  public_key: stringShape({ max: 1_400 }),
  rp_id: stringShape({ max: 253 }),
  origins: names,
})

const caseShape = objectShape({
  name: stringShape({ max: 200 }),
  /** What an executor says: `admitted` or the reason. */
  expected: stringShape({ max: 64 }),
  /** The name of a whole message, of which this one is made by what follows, in that order. */
  base: stringShape({ max: 64 }),
  /** Members of the message in place of the base's; then it is written as canonical JSON. */
  members: optionalMember(jsonObjectShape()),
  without: optionalMember(names),
  /** The first occurrence of a text in the message, and what stands there, so many times. */
  replace: optionalMember(
    objectShape({ from: text, to: text, times: integerShape({ min: 1, max: 1_000_000 }) }),
  ),
  /** Spaces at the end. */
  spaces: optionalMember(integerShape({ min: 1, max: 1_000_000 })),
  /** The whole message in base64url, whatever stands before. */
  bytes: optionalMember(text),
})
export type HostileCase = ShapeOf<typeof caseShape>

/** A file of hostile messages: what the executor trusts and serves, whole messages, and cases. */
export const hostileShape = objectShape({
  about: stringShape({ max: 1_000 }),
  now_ms: integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  profile: stringShape({ max: 31 }),
  tenant: stringShape({ max: 31 }),
  contract: toolContractShape,
  keys: arrayShape(
    objectShape({
      kid: stringShape({ max: 64 }),
      role: oneOfShape('grant', 'audit', 'host', 'operator'),
      component: oneOfShape('gateway', 'host', 'operator', 'exec-connector'),
      public: stringShape({ max: 64 }),
    }),
    { max: 8 },
  ),
  policy: sealedBundleShape,
  pins: arrayShape(heldPinShape, { max: 64 }),
  audit: arrayShape(
    objectShape({
      seq: integerShape({ min: 1, max: 1_000 }),
      subject: stringShape({ max: 200 }),
      event: jsonObjectShape(),
    }),
    { max: 200 },
  ),
  messages: mapShape(jsonObjectShape(), { max: 64, nameMax: 64 }),
  cases: arrayShape(caseShape, { max: 2_000 }),
})
export type HostileVectors = ShapeOf<typeof hostileShape>

/** The bytes that a case sends. */
export function messageOf(vectors: HostileVectors, vector: HostileCase): Uint8Array {
  if (vector.bytes !== undefined) return base64urlDecode(vector.bytes) ?? new Uint8Array()
  const message = { ...vectors.messages[vector.base], ...vector.members }
  const left = (vector.without ?? []).reduce(without, message)
  const { from, to, times } = vector.replace ?? { from: '', to: '', times: 1 }
  const replaced = canonicalize(left).replace(from, () => to.repeat(times))
  return new TextEncoder().encode(replaced + ' '.repeat(vector.spaces ?? 0))
}

export function without(object: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([member]) => member !== name))
}

export type Fate = AdmissionReason | 'admitted'
export type CaseParts = Omit<HostileCase, 'name' | 'expected' | 'base'>

/** Collects the messages and cases of one file. */
export class HostileFile {
  readonly world: World
  readonly #messages: Record<string, JsonObject> = {}
  readonly #cases: HostileCase[] = []
  #base = ''
  #group = ''

  constructor(world: World) {
    this.world = world
  }

  /** A whole message, of which the cases that follow are made. */
  from(name: string, action: GrantedAction): void {
    this.#messages[name] = grantedActionJson(action)
    this.#base = name
  }

  /** What the names of the following cases begin with. */
  group(name: string): void {
    this.#group = name
  }

  add(name: string, expected: Fate, parts: CaseParts): void {
    this.#cases.push({ name: `${this.#group}: ${name}`, expected, base: this.#base, ...parts })
  }

  /** The base with another grant. */
  grant(name: string, expected: Fate, grant: string): void {
    this.add(name, expected, { members: { grant } })
  }

  async document(about: string): Promise<JsonObject> {
    const { world } = this
    return {
      about,
      now_ms: NOW,
      profile: PROFILE,
      tenant: TENANT,
      contract: contractJson(world.contract),
      // Admission asks for no others.
      keys: world.trust.keys
        .filter(({ role }) => role !== 'log')
        .map(({ kid, role, component, publicKey }) => {
          return { kid, role, component, public: base64urlEncode(publicKey) }
        }),
      policy: sealedBundleJson(world.bundle),
      pins: world.pins.map((pin) => ({ ...pin, roles: [...pin.roles], origins: [...pin.origins] })),
      audit: await this.#audit(),
      messages: this.#messages,
      cases: this.#cases.map(({ members, replace, without: left, ...rest }) => ({
        ...rest,
        ...(members === undefined ? {} : { members }),
        ...(left === undefined ? {} : { without: [...left] }),
        ...(replace === undefined ? {} : { replace: { ...replace } }),
      })),
    }
  }

  async #audit(): Promise<{ seq: number; subject: string; event: JsonObject }[]> {
    const reader = this.world.gateway.reader({ home: 'data', stream: 'AUDIT' })
    const audit: { seq: number; subject: string; event: JsonObject }[] = []
    for (let seq = 1; ; seq++) {
      const stored = await reader.getBySeq(seq)
      if (stored === undefined) return audit
      const event = parseJsonObject(stored.data)
      if (event.ok) audit.push({ seq, subject: stored.subject, event: event.value })
    }
  }
}
