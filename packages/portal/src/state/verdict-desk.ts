import { type ReviewedRequest, type ReviewRefusal, signableApproval } from '@trustgw/card'
import type { Result } from '@trustgw/protocol'
import { problemSentence } from '../logic/problems.ts'
import type { Answer, PasskeyResponse } from '../ports/api.ts'
import { sha256 } from '../ports/sha256.ts'
import type { DeskDeps } from './ceremony.ts'
import type { VerdictStatus } from './portal-state.ts'

interface VerdictParts {
  readonly review: (id: string) => Result<ReviewedRequest, ReviewRefusal> | undefined
  /** Looks again at what waits. */
  readonly catchUp: () => void
}

/** What this person says to an action: yes, no, or that it shall not run. */
export class VerdictDesk {
  readonly #deps: DeskDeps
  readonly #of: VerdictParts

  constructor(deps: DeskDeps, of: VerdictParts) {
    this.#deps = deps
    this.#of = of
  }

  /** Approves exactly what is on the card; tier 2 asks for the passkey. */
  async approve(id: string): Promise<void> {
    const reviewed = this.#of.review(id)
    const session = this.#deps.store.get().session
    if (reviewed?.ok !== true || session === undefined || this.#busy(id)) return
    this.#verdict(id, { kind: 'sending' })
    const { api } = this.#deps.ports
    const begun = await api.beginApproval(id)
    if (!begun.ok) return this.#failed(id, begun)
    const { approver, nonce, decide_by, run_by } = begun.value
    const ceremony = { approver, nonce, decide_by, run_by }
    const signable = signableApproval(reviewed.value, ceremony, session.person.id, sha256)
    if (!signable.ok) return this.#failed(id, { code: signable.reason, title: signable.reason })
    const proof = await this.#proof(id, signable.value.challenge, begun.value)
    if (!proof.ok) return this.#failed(id, proof)
    this.#verdict(id, { kind: 'sending' })
    const answer = await api.approve(id, { nonce, assertion: proof.value })
    if (!answer.ok) return this.#failed(id, answer)
    this.#verdict(id, { kind: 'sent', verdict: 'approve' })
    this.#deps.store.announce('Approved')
  }

  /** Leads to the page on which this is signed; nowhere but to the origin that the session named. */
  async goToPage(id: string): Promise<void> {
    const { ports, store } = this.#deps
    const origin = store.get().session?.approval_origin
    if (this.#busy(id)) return
    this.#verdict(id, { kind: 'sending' })
    const answer = await ports.api.approvalPage(id)
    if (!answer.ok) return this.#failed(id, answer)
    const { address } = answer.value
    if (new URL(address).origin !== origin) {
      return this.#failed(id, { code: 'unreadable', title: 'The address of the page is another' })
    }
    this.#verdict(id, { kind: 'idle' })
    location.assign(address)
  }

  async deny(id: string, reason: string): Promise<void> {
    if (this.#busy(id) && !this.#hasApproved(id)) return
    this.#verdict(id, { kind: 'sending' })
    const answer = await this.#deps.ports.api.deny(id, reason)
    if (!answer.ok) return this.#failed(id, answer)
    this.#verdict(id, { kind: 'sent', verdict: 'deny' })
    this.#deps.store.announce('Denied')
  }

  async #proof(
    id: string,
    challenge: string,
    ceremony: { readonly rp_id: string; readonly credential_ids: readonly string[] },
  ): Promise<Answer<PasskeyResponse | null>> {
    const tier = this.#deps.store.get().feed.requests.get(id)?.decision.tier
    if (tier === 1) return { ok: true, value: null }
    if (tier !== 2) return { ok: false, code: 'tier_unsupported', title: 'Not possible here' }
    this.#verdict(id, { kind: 'passkey' })
    return this.#deps.ports.passkeys.sign({
      challenge,
      rpId: ceremony.rp_id,
      allowCredentials: ceremony.credential_ids.map((credential) => ({ id: credential })),
    })
  }

  #busy(id: string): boolean {
    const kind = this.#deps.store.get().verdicts.get(id)?.kind ?? 'idle'
    return kind !== 'idle' && kind !== 'failed'
  }

  /** What this person approved may still be stopped inside its undo window. */
  #hasApproved(id: string): boolean {
    const status = this.#deps.store.get().verdicts.get(id)
    return status?.kind === 'sent' && status.verdict === 'approve'
  }

  #verdict(id: string, status: VerdictStatus): void {
    this.#deps.store.update({ verdicts: new Map(this.#deps.store.get().verdicts).set(id, status) })
  }

  #failed(id: string, problem: { readonly code: string; readonly title: string }): void {
    const sentence = problemSentence(problem.code, problem.title)
    this.#verdict(id, { kind: 'failed', sentence })
    this.#deps.store.announce(sentence)
    if (problem.code === 'no_session') this.#deps.sessionLost()
    // The action may have ended meanwhile: look again, so that the card says how.
    else this.#of.catchUp()
  }
}
