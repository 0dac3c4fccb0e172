/** Where an admin puts a policy in force: begin, then seal with the approval passkey. */
import {
  bundleText,
  canonicalize,
  type Hash,
  type JsonObject,
  NEWEST_BUNDLE_KEY,
  POLICY_ADMIN_ROLE,
  POLICY_BUNDLE_MAX_BYTES,
  type PolicyBundle,
  policyStatement,
  type SealedBundle,
  sealedBundleJson,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { deflateText, sha256 } from '@trustgw/runtime'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import type { AssertionResponse } from '../ceremony/passkey-response.ts'
import { type RelyingParty, signedBy } from '../ceremony/passkeys.ts'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PersonRecord } from '../people/person.ts'
import type { Session } from '../session/session-desk.ts'
import type { Newest, PolicyText, PolicyView } from './policy-view.ts'

/** Drafts that wait for a signature; each may hold a whole bundle. */
export const POLICY_DRAFTS_MAX_COUNT = 16
/** Room for the proof beside the bundle, and for the escapes of the text inside a text. */
const SEAL_ROOM_BYTES = 32_768
/** Epochs whose archive somebody claimed and whose bundle never became the newest one. */
const EPOCHS_SKIPPED_MAX_COUNT = 64

export interface PolicyDeskDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  readonly view: PolicyView
  readonly policies: HostDeps['policies']
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
}

/** A bundle that was shown to one person in one session, on top of one newest bundle. */
interface OpenDraft {
  readonly bundle: PolicyBundle
  readonly bundle_hash: Hash
  readonly text: string
  readonly admin: string
  readonly sid: string
  /** Revision of the newest bundle; null where there was none. */
  readonly onto: number | null
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/**
 * The host seals nothing: it carries what an admin's passkey signed. Executors check the signature
 * against their own pins, so a host that was taken over puts no policy in force.
 */
export class PolicyDesk {
  readonly #deps: PolicyDeskDeps
  readonly #open = new CeremonyBook<OpenDraft>(POLICY_DRAFTS_MAX_COUNT)

  constructor(deps: PolicyDeskDeps) {
    this.#deps = deps
  }

  /** The bundle of these policies, as the passkey will sign it. NOT checked: that they load. */
  async begin(session: Session, texts: readonly PolicyText[]): Promise<Answer> {
    const blocked = mayApply(session.person)
    if (blocked !== undefined) return blocked
    const newest = await this.#deps.view.newest()
    if (newest.kind === 'unreadable' || (newest.kind === 'bundle' && !newest.isVerified)) {
      return refused('policy_unverified')
    }
    const { clock, party, random, tenant } = this.#deps
    const now = clock.now()
    const policies = texts.map(({ layer, scope, file, text }) => ({
      layer,
      scope,
      file,
      deflated: deflateText(text),
    }))
    const epoch = await this.#freeEpoch(newest)
    const bundle: PolicyBundle = { v: 1, tenant, epoch, issued_at: now, policies }
    const { text, bundle_hash } = bundleText(sha256, bundle)
    if (utf8Encode(JSON.stringify(text)).length + SEAL_ROOM_BYTES > POLICY_BUNDLE_MAX_BYTES) {
      return refused('policy_too_large')
    }
    const nonce = newNonce(random)
    const admin = session.person.person
    const onto = newest.kind === 'bundle' ? newest.revision : null
    const draft = { bundle, bundle_hash, text, admin, sid: session.sid, onto }
    const expires_at = now + CEREMONY_TTL_MS
    this.#open.open(nonce, draft, expires_at)
    return {
      ok: true,
      json: {
        bundle: text,
        bundle_hash,
        statement: { ...policyStatement({ bundle, bundle_hash }, { admin, nonce }) },
        nonce,
        expires_at,
        rp_id: party.rpId,
        credential_ids: session.person.approval.map(({ id }) => id),
      },
    }
  }

  /** Stores the sealed bundle. It holds once who decides has checked it by its own pins. */
  async apply(session: Session, nonce: string, given: AssertionResponse): Promise<Answer> {
    const draft = this.#open.take(nonce, this.#deps.clock.now())
    if (draft === undefined || draft.admin !== session.person.person || draft.sid !== session.sid) {
      return refused('ceremony_unknown')
    }
    const blocked = mayApply(session.person)
    if (blocked !== undefined) return blocked
    const sealed = await this.#seal(draft, { nonce, person: session.person, given })
    const { bundle, bundle_hash, admin } = draft
    const event = {
      actor: { kind: 'human', id: admin },
      payload: { epoch: bundle.epoch, bundle_hash, admin },
    } as const
    if (sealed === undefined) {
      await this.#deps.audit.append('policy_seal_refused', event)
      return refused('seal_refused')
    }
    // Before anything is written: without a record of who sealed it there is no policy.
    await this.#deps.audit.append('policy_sealed', event)
    if (!(await this.#store(draft, sealed))) return refused('policy_changed')
    await this.#deps.audit.append('policy_applied', event)
    return { ok: true, json: { epoch: bundle.epoch, bundle_hash } }
  }

  async #seal(
    { bundle, bundle_hash, text, admin }: OpenDraft,
    signed: {
      readonly nonce: string
      readonly person: PersonRecord
      readonly given: AssertionResponse
    },
  ): Promise<SealedBundle | undefined> {
    const { nonce, person, given } = signed
    const statement = policyStatement({ bundle, bundle_hash }, { admin, nonce })
    const assertion = await signedBy(this.#deps.party, statement, person, given)
    if (assertion === undefined) return undefined
    return { v: 1, bundle: text, proof: { kind: 'passkey', admin, nonce, assertion } }
  }

  /**
   * The archive first, insert-only, which claims the epoch; then the newest, on the one that the
   * admin saw. A host that dies between the two leaves an epoch that is never used.
   */
  async #store({ bundle, onto }: OpenDraft, sealed: SealedBundle): Promise<boolean> {
    const { policies, tenant } = this.#deps
    const value = utf8Encode(canonicalize(sealedBundleJson(sealed)))
    const newestKey = `${tenant}.${NEWEST_BUNDLE_KEY}`
    const current = await policies.get(newestKey)
    if ((current?.revision ?? null) !== onto) return false
    const claimed = await policies.create(archiveKey(tenant, bundle.epoch), value)
    if (!claimed.ok) return false
    const written =
      onto === null
        ? await policies.create(newestKey, value)
        : await policies.replace(newestKey, value, onto)
    return written.ok
  }

  async #freeEpoch(newest: Newest): Promise<number> {
    const { policies, tenant } = this.#deps
    const next = newest.kind === 'bundle' ? newest.bundle.epoch + 1 : 1
    for (let epoch = next; epoch < next + EPOCHS_SKIPPED_MAX_COUNT; epoch += 1) {
      if ((await policies.get(archiveKey(tenant, epoch))) === undefined) return epoch
    }
    return next
  }
}

const archiveKey = (tenant: TenantId, epoch: number): string => `${tenant}.e${epoch}`

function mayApply(person: PersonRecord): Refused | undefined {
  if (!person.roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
  return person.approval.length === 0 ? refused('no_approval_credential') : undefined
}
