import { parseTenantId } from '@trustgw/protocol'
import { type PolicyText, sameDraft } from '../logic/policy-draft.ts'
import type { JudgeStep, TriedProposal } from '../logic/policy-judge.ts'
import { sealableBundle } from '../logic/policy-seal.ts'
import type { PolicyStatusView } from '../logic/policy-status.ts'
import { takeUpOf } from '../logic/policy-status.ts'
import { problemSentence } from '../logic/problems.ts'
import { inflateText } from '../ports/inflate.ts'
import type { PolicyJudge } from '../ports/policy-judge.ts'
import { sha256 } from '../ports/sha256.ts'
import type { Applied, PolicyAnswer } from '../ports/shapes.ts'
import {
  type Applying,
  INITIAL_DESK,
  type Judged,
  type PolicyDeskState,
  UNJUDGED,
} from './policy-desk-state.ts'
import type { Portal } from './portal.ts'

/** So long after the last change of the text its judgement begins. */
const JUDGE_AFTER_MS = 250
/** After this it is told who has not taken a bundle up. */
const TAKE_UP_MS = 15_000
export const ADMIN_ROLE = 'admin'

const desks = new WeakMap<Portal, PolicyDesk>()

/** One desk a portal, so that a draft outlives a look at another page. */
export function policyDeskOf(portal: Portal): PolicyDesk {
  const known = desks.get(portal)
  if (known !== undefined) return known
  const made = new PolicyDesk(portal)
  desks.set(portal, made)
  return made
}

/** The policy page without its looks: what is in force, the draft, what is said of it, applying. */
export class PolicyDesk {
  readonly #portal: Portal
  #state: PolicyDeskState = INITIAL_DESK
  readonly #listeners = new Set<() => void>()
  #judge: PolicyJudge | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #person = ''
  /** What the judge was given last; of a draft that was changed since nothing is believed. */
  #judgedDraft: readonly PolicyText[] | undefined

  constructor(portal: Portal) {
    this.#portal = portal
  }

  readonly get = (): PolicyDeskState => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether the person who is signed in may apply; the host and executors judge again. */
  isAdmin(): boolean {
    return this.#portal.store.get().session?.person.roles.includes(ADMIN_ROLE) === true
  }

  /** Called when the page opens. */
  async open(): Promise<void> {
    const person = this.#portal.store.get().session?.person.id ?? ''
    if (person !== this.#person) this.#update({ ...INITIAL_DESK })
    this.#person = person
    this.#judge ??= this.#newJudge()
    // Its mode says whether a policy may allow by default.
    if (this.#portal.store.get().installation === undefined) await this.#portal.loadInstallation()
    await Promise.all([this.load(), this.#loadRecorded()])
  }

  /** Called when the page closes. */
  close(): void {
    clearTimeout(this.#timer)
    this.#judge?.close()
    this.#judge = undefined
  }

  /** What is in force now. A draft that was begun stays, and says that it is on an older one. */
  async load(): Promise<void> {
    const answer = await this.#portal.ports.api.policy()
    if (!answer.ok) {
      if (answer.code === 'no_session') this.#portal.sessionLost()
      const isFirst = this.#state.answer === undefined
      const problem = problemSentence(answer.code, answer.title)
      this.#update({ phase: isFirst ? 'failed' : 'ready', problem })
      return
    }
    this.#taken(answer.value)
  }

  edit(draft: readonly PolicyText[]): void {
    if (draft === this.#state.draft) return
    const { applying } = this.#state
    const rests = applying.kind === 'failed' || (applying.kind === 'taking_up' && applying.isOver)
    this.#update({ draft, ...(rests ? { applying: { kind: 'idle' } } : {}) })
    this.#judgeSoon()
  }

  /** Back to what is in force. */
  reset(): void {
    this.#update({ isStale: false, applying: { kind: 'idle' } })
    this.edit(this.#state.base)
  }

  tryProposal(proposal: TriedProposal): void {
    this.#update({ tried: 'working' })
    this.#judge?.tryProposal(this.#state.draft, proposal)
  }

  forgetTried(): void {
    if (this.#state.tried !== undefined) this.#update({ tried: undefined })
  }

  /** First step of applying: the host's bundle of the draft, judged here. */
  async prepare(): Promise<void> {
    const session = this.#portal.store.get().session
    const { draft, answer } = this.#state
    if (session === undefined || answer === undefined) return
    this.#update({ applying: { kind: 'preparing' } })
    const offered = await this.#portal.ports.api.policyChallenge(draft)
    if (!offered.ok) return this.#failed(offered)
    const { bundle, bundle_hash, nonce, rp_id, credential_ids } = offered.value
    const sealable = await sealableBundle(
      { bundle, bundle_hash, nonce },
      {
        tenant: session.tenant,
        admin: session.person.id,
        texts: draft,
        after: answer.in_force?.epoch ?? 0,
        inflate: inflateText,
        sha256,
      },
    )
    if (!sealable.ok) return this.#failed({ code: sealable.reason, title: sealable.reason })
    const ceremony = { rp_id, credential_ids }
    this.#update({ applying: { kind: 'ready', sealable: sealable.value, ceremony } })
  }

  /** Second step: the approval passkey, over exactly that bundle. */
  async seal(): Promise<void> {
    const { applying } = this.#state
    if (applying.kind !== 'ready') return
    const { sealable, ceremony } = applying
    const { api, passkeys } = this.#portal.ports
    this.#update({ applying: { kind: 'passkey', sealable } })
    const signed = await passkeys.sign({
      challenge: sealable.challenge,
      rpId: ceremony.rp_id,
      allowCredentials: ceremony.credential_ids.map((id) => ({ id })),
    })
    if (!signed.ok) return this.#failed(signed)
    this.#update({ applying: { kind: 'sending', sealable } })
    const applied = await api.policyApply(sealable.nonce, signed.value)
    if (!applied.ok) return this.#failed(applied)
    await this.#follow(applied.value)
  }

  cancelApplying(): void {
    this.#update({ applying: { kind: 'idle' } })
  }

  /** Tells live who has taken the bundle up, and after a while who has not. */
  async #follow(applied: Applied): Promise<void> {
    const { epoch } = applied
    this.#taking({ kind: 'taking_up', epoch, takeUp: [], isOver: false })
    this.#portal.store.announce(`Epoch ${epoch} is stored. Waiting for those who decide.`)
    await this.load()
    const until = Date.now() + TAKE_UP_MS
    let status = await this.#portal.loadPolicyStatus()
    for (;;) {
      const takeUp = status === undefined ? [] : takeUpOf(status, applied)
      const isTaken = takeUp.length > 0 && takeUp.every(({ state }) => state === 'taken_up')
      this.#taking({ kind: 'taking_up', epoch, takeUp, isOver: isTaken })
      if (isTaken || Date.now() >= until) break
      status = await this.#nextStatus(until - Date.now())
    }
    const { applying } = this.#state
    if (applying.kind === 'taking_up') this.#taking({ ...applying, isOver: true })
    this.#portal.store.announce(takeUpAnnouncement(this.#state.applying))
    await this.load()
  }

  /** Who decides by which policy, once that is news; after `ms` what is known. */
  #nextStatus(ms: number): Promise<PolicyStatusView | undefined> {
    const { store } = this.#portal
    const before = store.get().policyStatus
    return new Promise((resolve) => {
      const done = (): void => {
        stop()
        clearTimeout(timer)
        resolve(store.get().policyStatus)
      }
      const timer = setTimeout(done, ms)
      const stop = store.subscribe(() => {
        if (store.get().policyStatus !== before) done()
      })
    })
  }

  #taking(applying: Extract<Applying, { kind: 'taking_up' }>): void {
    this.#update({ applying })
  }

  #failed(problem: { readonly code: string; readonly title: string }): void {
    if (problem.code === 'no_session') this.#portal.sessionLost()
    const sentence = problemSentence(problem.code, problem.title)
    this.#update({ applying: { kind: 'failed', sentence } })
    this.#portal.store.announce(sentence)
    // Somebody may have been faster: what is in force is looked at again.
    void this.load()
  }

  #taken(answer: PolicyAnswer): void {
    const { base, draft } = this.#state
    const now = answer.policies ?? []
    const isUntouched = sameDraft(draft, base) || sameDraft(draft, now)
    const isSame = sameDraft(base, now)
    this.#update({
      phase: 'ready',
      problem: undefined,
      answer,
      base: isSame ? base : now,
      draft: isUntouched && !isSame ? now : draft,
      isStale: this.#state.isStale ? !isUntouched : !isUntouched && !isSame,
    })
    this.#refreshContext()
  }

  async #loadRecorded(): Promise<void> {
    if (!this.isAdmin()) {
      this.#update({ recorded: { kind: 'hidden', actions: [], truncated: false } })
      return
    }
    const answer = await this.#portal.ports.api.policyRecorded()
    this.#update({
      recorded: answer.ok
        ? { kind: 'ready', ...answer.value }
        : { kind: 'failed', actions: [], truncated: false },
    })
    this.#refreshContext()
  }

  /** Gives the judge what it compares with, once the policy and the proposals are here. */
  #refreshContext(): void {
    const { answer, base, recorded } = this.#state
    const { session, installation } = this.#portal.store.get()
    const tenant = parseTenantId(session?.tenant ?? '')
    if (answer === undefined || recorded.kind === 'loading' || !tenant.ok) return
    this.#judge?.setContext({
      tenant: tenant.value,
      development: installation?.mode === 'development',
      inForce: base,
      tools: answer.tools,
      recorded: recorded.actions,
    })
    this.#judgeNow()
  }

  #judgeSoon(): void {
    clearTimeout(this.#timer)
    this.#update({ judged: { ...this.#state.judged, outcome: 'working' }, tried: undefined })
    this.#timer = setTimeout(() => this.#judgeNow(), JUDGE_AFTER_MS)
  }

  #judgeNow(): void {
    clearTimeout(this.#timer)
    const { draft, recorded } = this.#state
    if (draft.length === 0 || recorded.kind === 'loading') return
    this.#update({ judged: UNJUDGED })
    this.#judgedDraft = draft
    this.#judge?.judge(draft)
  }

  #newJudge(): PolicyJudge {
    const judge = this.#portal.ports.judge()
    judge.listen({
      onStep: (step) => this.#judged(partOf(step)),
      onDone: (outcome) => this.#judged({ outcome }),
      onTried: (tried) => {
        // Forgotten meanwhile: the draft or the proposal was changed.
        if (this.#state.tried === 'working') this.#update({ tried })
      },
    })
    return judge
  }

  #judged(part: Partial<Judged>): void {
    if (this.#judgedDraft !== this.#state.draft) return
    this.#update({ judged: { ...this.#state.judged, ...part } })
  }

  #update(change: Partial<PolicyDeskState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }
}

function partOf(step: JudgeStep): Partial<Judged> {
  switch (step.kind) {
    case 'opened':
      return { findings: step.findings }
    case 'replayed':
      return { replay: step.replay }
    case 'compared':
      return { layers: { list: step.layers, isWhole: step.isWhole } }
    case 'checked':
      return { checks: { list: step.findings, isWhole: step.isWhole } }
  }
}

function takeUpAnnouncement(applying: Applying): string {
  if (applying.kind !== 'taking_up') return ''
  const late = applying.takeUp.filter(({ state }) => state !== 'taken_up')
  return late.length === 0 && applying.takeUp.length > 0
    ? `Epoch ${applying.epoch} is in force.`
    : `Not everybody decides by epoch ${applying.epoch}.`
}
