/** What an admin's passkey signs: the bundle of exactly the texts on the page. */
import { challengeOf } from '@trustgw/card'
import {
  canonicalize,
  type Hash,
  hashText,
  ok,
  POLICY_BUNDLE_MAX_BYTES,
  type PolicyBundle,
  parseJson,
  policyBundleShape,
  policyStatement,
  type Result,
  readShape,
  refuse,
  type Sha256,
  utf8Length,
} from '@trustgw/protocol'
import type { PolicyText } from './policy-draft.ts'

export type SealRefusal =
  | 'bundle_unreadable'
  | 'bundle_hash_differs'
  /** Another tenant, or an epoch that is not after the one on the page. */
  | 'bundle_place_differs'
  /** Not the policies on the page, or in another order. */
  | 'bundle_texts_differ'

export interface SealableBundle {
  readonly bundle: PolicyBundle
  readonly bundle_hash: Hash
  readonly nonce: string
  /** base64url, for the passkey. */
  readonly challenge: string
}

/** What the host answered, with its policies unpacked here; undefined for one that cannot be. */
export interface OfferedBundle {
  readonly bundle: string
  readonly bundle_hash: string
  readonly nonce: string
}

export interface SealExpectation {
  readonly tenant: string
  readonly admin: string
  readonly texts: readonly PolicyText[]
  /** The newest epoch that the page knows; 0 for none. */
  readonly after: number
  /** Undefined also for a text of more than `maxBytes` in UTF-8. */
  readonly inflate: (deflated: string, maxBytes: number) => Promise<string | undefined>
  readonly sha256: Sha256
}

/** Judges the bundle that the host made: what is signed is hashed and unpacked in this browser. */
export async function sealableBundle(
  offered: OfferedBundle,
  expected: SealExpectation,
): Promise<Result<SealableBundle, SealRefusal>> {
  const { tenant, admin, after, sha256 } = expected
  const parsed = parseJson(offered.bundle, { maxBytes: POLICY_BUNDLE_MAX_BYTES })
  if (!parsed.ok || canonicalize(parsed.value) !== offered.bundle)
    return refuse('bundle_unreadable')
  const read = readShape(policyBundleShape, parsed.value)
  if (!read.ok) return refuse('bundle_unreadable', read.detail)
  const bundle = read.value
  const bundle_hash = hashText(sha256, offered.bundle)
  if (bundle_hash !== offered.bundle_hash) return refuse('bundle_hash_differs')
  if (bundle.tenant !== tenant || bundle.epoch <= after) return refuse('bundle_place_differs')
  if (!(await holdsTexts(bundle, expected))) return refuse('bundle_texts_differ')
  const { nonce } = offered
  const statement = policyStatement({ bundle, bundle_hash }, { admin, nonce })
  return ok({ bundle, bundle_hash, nonce, challenge: challengeOf(statement, sha256) })
}

async function holdsTexts(
  { policies }: PolicyBundle,
  { texts, inflate }: SealExpectation,
): Promise<boolean> {
  if (policies.length !== texts.length) return false
  const same = await Promise.all(
    policies.map(async ({ layer, scope, file, deflated }, index) => {
      const wanted = texts[index]
      if (wanted?.layer !== layer || wanted.scope !== scope || wanted.file !== file) return false
      // No more than what is expected is unpacked, whatever the host packed.
      return (await inflate(deflated, utf8Length(wanted.text))) === wanted.text
    }),
  )
  return same.every(Boolean)
}
