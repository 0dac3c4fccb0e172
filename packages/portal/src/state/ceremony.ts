import type { Result } from '@trustgw/protocol'
import { problemSentence } from '../logic/problems.ts'
import type { Answer, PasskeyResponse } from '../ports/api.ts'
import type { Ports } from '../ports/ports.ts'
import type { Store } from './portal-state.ts'

/** What a desk beside the portal works with. */
export interface DeskDeps {
  readonly ports: Ports
  readonly store: Store
  readonly sessionLost: () => void
  readonly serverNow: () => number
}

interface Begun {
  readonly nonce: string
  readonly rp_id: string
  readonly credential_ids: readonly string[]
}

/**
 * One statement by the approval passkey: begun at the host, judged here, signed, sent. Undefined when
 * the host has taken it, else a sentence for people.
 */
export async function signStatement<T extends Begun>(
  { ports, sessionLost }: DeskDeps,
  steps: {
    readonly begin: () => Promise<Answer<T>>
    /** Whether what the host would have signed is what the page shows. */
    readonly judge: (begun: T) => Result<{ readonly challenge: string }>
    readonly send: (nonce: string, assertion: PasskeyResponse) => Promise<Answer<unknown>>
  },
): Promise<string | undefined> {
  const failed = ({ code, title }: { readonly code: string; readonly title: string }): string => {
    if (code === 'no_session') sessionLost()
    return problemSentence(code, title)
  }
  const begun = await steps.begin()
  if (!begun.ok) return failed(begun)
  const judged = steps.judge(begun.value)
  if (!judged.ok) return failed({ code: judged.reason, title: judged.reason })
  const { nonce, rp_id, credential_ids } = begun.value
  const signed = await ports.passkeys.sign({
    challenge: judged.value.challenge,
    rpId: rp_id,
    allowCredentials: credential_ids.map((id) => ({ id })),
  })
  if (!signed.ok) return failed(signed)
  const sent = await steps.send(nonce, signed.value)
  return sent.ok ? undefined : failed(sent)
}
