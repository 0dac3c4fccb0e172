/** What of policy can be seen from the host: the newest bundle, who took it up, what may be called. */
import {
  checkSeal,
  GATEWAY_STATUS_KEY,
  type Hash,
  type JsonObject,
  NEWEST_BUNDLE_KEY,
  POLICY_ADMIN_ROLE,
  type PolicyBundle,
  type PolicyLayer,
  type PolicyProof,
  type PolicyStatus,
  type Profile,
  parseProfile,
  policyStatement,
  readPolicyStatus,
  readSealedBundle,
  readShape,
  type TenantId,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  type ToolRegistry,
  toolRegistryShape,
  type UnverifiedBundle,
  utf8Decode,
  verifyJws,
} from '@trustgw/protocol'
import { inflatePolicies, type StoredRecord, sha256, verifierOf } from '@trustgw/runtime'
import { challengeOf, checkAssertion, type RelyingParty, responseOf } from '../ceremony/passkeys.ts'
import type { HostDeps } from '../deps.ts'
import type { PeopleStore } from '../people/people-store.ts'
import { personIdField } from '../people/person.ts'

/** Unpacked text of all policies of a bundle that is shown, in UTF-16 units. */
export const POLICY_SHOWN_MAX_CHARS: number = 8 * 1024 * 1024

/** One policy file as text. */
export interface PolicyText {
  readonly layer: PolicyLayer
  readonly scope: string | null
  readonly file: string
  readonly text: string
}

/** The newest bundle of the bucket. The host pins nothing: it says who vouches, as far as it knows. */
export interface NewestBundle {
  readonly bundle: PolicyBundle
  readonly bundle_hash: Hash
  /** `operator`, `delegate`, `passkey:<person>`, or `unverified:<why>`. */
  readonly sealedBy: string
  readonly isVerified: boolean
  readonly revision: number
}

export type Newest =
  | { readonly kind: 'none' }
  /** Something lies there that is no bundle of this tenant. */
  | { readonly kind: 'unreadable'; readonly revision: number }
  | ({ readonly kind: 'bundle' } & NewestBundle)

export interface PolicyViewDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  readonly people: PeopleStore
  readonly policies: HostDeps['policies']
  readonly policyStatus: HostDeps['policyStatus']
  readonly tools: HostDeps['tools']
  readonly trust: HostDeps['trust']
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

export class PolicyView {
  readonly #deps: PolicyViewDeps

  constructor(deps: PolicyViewDeps) {
    this.#deps = deps
  }

  async newest(): Promise<Newest> {
    const { policies, tenant } = this.#deps
    const stored = await policies.get(`${tenant}.${NEWEST_BUNDLE_KEY}`)
    if (stored === undefined) return { kind: 'none' }
    const { revision } = stored
    const read = readSealedBundle(stored.value, sha256)
    if (!read.ok || read.value.bundle.tenant !== tenant) return { kind: 'unreadable', revision }
    const { bundle, bundle_hash } = read.value
    const seal = await this.#sealOf(read.value)
    const sealedBy = seal.ok ? seal.by : `unverified:${seal.why}`
    return { kind: 'bundle', bundle, bundle_hash, sealedBy, isVerified: seal.ok, revision }
  }

  /** Who decides by which bundle; without the policies themselves. */
  async status(): Promise<JsonObject> {
    const newest = await this.newest()
    return await this.#statusOf(newest, await this.registries())
  }

  /** The same with the text of every policy and the tools that rules may name. */
  async whole(): Promise<JsonObject> {
    const newest = await this.newest()
    const registries = await this.registries()
    const status = await this.#statusOf(newest, registries)
    const policies = newest.kind === 'bundle' ? textsOf(newest.bundle) : []
    return {
      ...status,
      policies: policies === undefined ? null : policies.map((policy) => ({ ...policy })),
      tools: toolsOf(registries).map((contract) => ({
        ...toolFacts(contract),
        title: contract.title,
      })),
    }
  }

  /** What executors serve; documents that are not theirs are left out and reported. */
  async registries(): Promise<readonly ToolRegistry[]> {
    const stored = await this.#deps.tools.list(this.#deps.tenant)
    return stored.flatMap((one) => this.#readRegistry(one) ?? [])
  }

  async #statusOf(newest: Newest, registries: readonly ToolRegistry[]): Promise<JsonObject> {
    const gateway = await this.#gatewayStatus()
    return {
      in_force: newest.kind === 'bundle' ? summaryOf(newest) : null,
      unreadable: newest.kind === 'unreadable',
      gateway:
        gateway === undefined
          ? null
          : {
              epoch: gateway.epoch,
              bundle_hash: gateway.bundle_hash,
              refused:
                gateway.refused === null
                  ? null
                  : { ...gateway.refused, details: [...gateway.refused.details] },
              at: gateway.at,
            },
      executors: registries.map(({ profile, policy }) => ({
        profile,
        policy: policy === null ? null : { ...policy },
      })),
    }
  }

  async #gatewayStatus(): Promise<PolicyStatus | undefined> {
    const { policyStatus, tenant, trust, log } = this.#deps
    const stored = await policyStatus.get(`${tenant}.${GATEWAY_STATUS_KEY}`)
    if (stored === undefined) return undefined
    const text = utf8Decode(stored.value)
    const keyFor = trust.gatewayAuditKeyFor
    const read = readPolicyStatus(text.ok ? text.value : '', { tenant, keyFor })
    if (read.ok) return read.value
    log.warn('policy_status_refused', { reason: read.detail ?? read.reason })
    return undefined
  }

  async #sealOf(unverified: UnverifiedBundle): Promise<Seal> {
    const { proof } = unverified
    if (proof.kind === 'passkey') return await this.#passkeySeal(unverified, proof)
    const { trust, clock } = this.#deps
    const { operatorKeyFor } = trust
    const at = (now: number): ReturnType<typeof checkSeal> =>
      checkSeal(unverified, { operatorKeyFor, verifierOf, now })
    const now = at(clock.now())
    // The host keeps no first sight of its own: it goes by an executor that saw it in the delegate's time.
    const isHistory = !now.ok && (await this.#isPinned(unverified))
    const checked = isHistory ? at(unverified.bundle.issued_at) : now
    return checked.ok ? { ok: true, by: checked.value } : { ok: false, why: checked.reason }
  }

  async #isPinned({ bundle, bundle_hash }: UnverifiedBundle): Promise<boolean> {
    const registries = await this.registries()
    return registries.some(
      ({ policy }) => policy?.epoch === bundle.epoch && policy.bundle_hash === bundle_hash,
    )
  }

  async #passkeySeal(
    unverified: UnverifiedBundle,
    proof: Extract<PolicyProof, { readonly kind: 'passkey' }>,
  ): Promise<Seal> {
    const { people, party } = this.#deps
    const id = readShape(personIdField, proof.admin)
    const person = id.ok ? (await people.find(id.value))?.record : undefined
    if (person === undefined) return { ok: false, why: 'person_unknown' }
    if (!person.roles.includes(POLICY_ADMIN_ROLE)) return { ok: false, why: 'not_an_admin' }
    const passkey = person.approval.find((one) => one.id === proof.assertion.credential_id)
    if (passkey === undefined) return { ok: false, why: 'passkey_unknown' }
    const challenge = challengeOf(policyStatement(unverified, proof))
    const holds = await checkAssertion(party, challenge, passkey, responseOf(proof.assertion))
    return holds
      ? { ok: true, by: `passkey:${person.person}` }
      : { ok: false, why: 'bundle_passkey' }
  }

  #readRegistry({ key, value }: StoredRecord): ToolRegistry | undefined {
    const { tenant, trust, log } = this.#deps
    const profile = parseProfile(key.slice(key.indexOf('.') + 1))
    const registry = profile.ok ? registryOf(value, profile.value, trust) : undefined
    if (registry !== undefined && `${registry.tenant}.${registry.profile}` === key) return registry
    log.warn('tool_registry_refused', { tenant, key })
    return undefined
  }
}

type Seal =
  | { readonly ok: true; readonly by: string }
  | { readonly ok: false; readonly why: string }

function registryOf(
  value: Uint8Array,
  profile: Profile,
  trust: HostDeps['trust'],
): ToolRegistry | undefined {
  const text = utf8Decode(value)
  const verified = verifyJws(text.ok ? text.value : '', {
    typ: TOOL_REGISTRY_TYP,
    maxBytes: TOOL_REGISTRY_MAX_BYTES,
    keyFor: (kid) => trust.executorKeyFor(profile, kid),
  })
  if (!verified.ok) return undefined
  const read = readShape(toolRegistryShape, verified.value.payload)
  return read.ok ? read.value : undefined
}

function summaryOf({ bundle, bundle_hash, sealedBy }: NewestBundle): JsonObject {
  const { epoch, issued_at } = bundle
  return { epoch, bundle_hash, issued_at, sealed_by: sealedBy }
}

/** Undefined: a policy cannot be unpacked, or all of them are too long to be shown. */
function textsOf({ policies }: PolicyBundle): readonly PolicyText[] | undefined {
  const texts = inflatePolicies(policies)
  const chars = texts?.reduce((sum, { text }) => sum + text.length, 0) ?? 0
  return chars > POLICY_SHOWN_MAX_CHARS ? undefined : texts
}

/** Of two tools with one id neither is served (the gateway's rule), so neither is told. */
export function toolsOf(registries: readonly ToolRegistry[]): readonly ToolContract[] {
  const all = registries.flatMap(({ tools }) => tools)
  return all
    .filter(({ id }) => all.filter((other) => other.id === id).length === 1)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** What policy may look at of a tool. */
export function toolFacts(contract: ToolContract): JsonObject {
  const { id, operation, category, tags, bundle, amount } = contract
  const rule =
    amount.kind === 'none' ? { ...amount } : { ...amount, currency: { ...amount.currency } }
  return { id, operation, category, tags: [...tags], bundle, amount: rule }
}
