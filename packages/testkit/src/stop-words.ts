import { randomBytes } from 'node:crypto'
import {
  canonicalize,
  type FreezeScope,
  type FreezeStatement,
  freezeKey,
  freezeNoticeJson,
  hashText,
  type PasskeyAssertion,
  sealFreezeNotice,
  signKeyRevocation,
  signPinRevocation,
  statementHash,
  type TenantId,
  type ThawStatement,
  utf8Encode,
} from '@trustgw/protocol'
import { type BusLink, type NamedKey, sha256 } from '@trustgw/runtime'

const REASON = 'said by whoever holds the key'

/** Whose word it is: a place on the bus and the key that signs. */
export interface Voice {
  readonly link: BusLink
  readonly home: 'data' | 'own'
  readonly tenant: TenantId
  readonly key: NamedKey
}

function common(voice: Voice) {
  return {
    tenant: voice.tenant,
    reason_hash: hashText(sha256, REASON),
    by: 'somebody',
    at: Date.now(),
    nonce: randomBytes(16).toString('base64url'),
  } as const
}

/** Freezes something in the voice's name, whether or not it may. */
export async function sayFreeze(voice: Voice, scope: FreezeScope): Promise<FreezeStatement> {
  const statement = { typ: 'trustgw/freeze/1', ...common(voice), scope, counter: 1 } as const
  await store(voice, statement, null)
  return statement
}

/** Thaws it again in the voice's name, with a passkey's signature where there is one. */
export async function sayThaw(
  voice: Voice,
  freeze: FreezeStatement,
  assert: (thaw: ThawStatement) => PasskeyAssertion | null = () => null,
): Promise<void> {
  const freeze_hash = statementHash(sha256, freeze)
  const thaw = { typ: 'trustgw/thaw/1', ...common(voice), freeze_hash } as const
  await store(voice, thaw, assert(thaw))
}

async function store(
  voice: Voice,
  statement: FreezeStatement | ThawStatement,
  assertion: PasskeyAssertion | null,
): Promise<void> {
  const notice = sealFreezeNotice(sha256, { statement, reason: REASON, assertion }, voice.key)
  const key = freezeKey(voice.tenant, statementHash(sha256, statement))
  await create(voice, 'freezes', { key, text: canonicalize(freezeNoticeJson(notice)) })
}

/** Takes a pin away in the voice's name. */
export async function sayPinRevoked(voice: Voice, credential_id: string): Promise<void> {
  const { tenant } = voice
  const revocation = { tenant, credential_id, at: Date.now(), reason: REASON }
  const text = signPinRevocation(revocation, voice.key)
  const key = `${tenant}.${hashText(sha256, text).slice('sha256:'.length)}`
  await create(voice, 'pins', { key, text })
}

/** Takes a grant key away in the voice's name. */
export async function sayKeyRevoked(voice: Voice, kid: string): Promise<void> {
  const text = signKeyRevocation({ kid, at: Date.now(), reason: REASON }, voice.key)
  const key = `_all.${hashText(sha256, text).slice('sha256:'.length)}`
  await create(voice, 'key_revocations', { key, text })
}

async function create(
  { link, home }: Voice,
  bucket: string,
  { key, text }: { readonly key: string; readonly text: string },
): Promise<void> {
  const written = await link.records({ home, bucket }).create(key, utf8Encode(text))
  if (!written.ok) throw new Error(`${bucket}: ${written.reason}`)
}
