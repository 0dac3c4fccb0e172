/** Who decides by which bundle, and what to say on every page when that is not as it should be. */
import type { Hash } from '@trustgw/protocol'
import { isVerified } from './policy-words.ts'

export interface BundleSummary {
  readonly epoch: number
  readonly bundle_hash: Hash
  readonly issued_at: number
  readonly sealed_by: string
}

export interface PolicyStatusView {
  /** The newest bundle, which is in force once those who decide took it up. */
  readonly in_force: BundleSummary | null
  readonly unreadable: boolean
  readonly gateway: {
    readonly epoch: number | null
    readonly bundle_hash: Hash | null
    readonly refused: {
      readonly at: number
      readonly reason: string
      readonly details: readonly string[]
      readonly source: 'bundle' | 'file'
    } | null
    readonly at: number
  } | null
  readonly executors: readonly {
    readonly profile: string
    readonly policy: { readonly epoch: number; readonly bundle_hash: Hash } | null
  }[]
}

/** One of those who decide, against one bundle. */
export interface TakeUp {
  readonly name: string
  readonly state: 'taken_up' | 'older' | 'none' | 'silent' | 'refused'
  readonly epoch: number | null
}

type Wanted = Pick<BundleSummary, 'epoch' | 'bundle_hash'>

const isTaken = (
  wanted: Wanted,
  has: { readonly epoch: number | null; readonly bundle_hash: Hash | null },
): boolean => has.epoch === wanted.epoch && has.bundle_hash === wanted.bundle_hash

function gatewayTakeUp({ gateway }: PolicyStatusView, wanted: Wanted): TakeUp {
  const name = 'Gateway'
  if (gateway === null) return { name, state: 'silent', epoch: null }
  const { epoch, refused } = gateway
  if (isTaken(wanted, gateway)) return { name, state: 'taken_up', epoch }
  if (refused !== null) return { name, state: 'refused', epoch }
  return { name, state: epoch === null ? 'none' : 'older', epoch }
}

/** Gateway first, then executors by profile. */
export function takeUpOf(status: PolicyStatusView, wanted: Wanted): readonly TakeUp[] {
  const executors = status.executors.map(({ profile, policy }): TakeUp => {
    const name = `Executor ${profile}`
    if (policy === null) return { name, state: 'none', epoch: null }
    const state = isTaken(wanted, policy) ? 'taken_up' : 'older'
    return { name, state, epoch: policy.epoch }
  })
  return [gatewayTakeUp(status, wanted), ...executors]
}

export function takeUpWords({ state, epoch }: TakeUp): string {
  const by = epoch === null ? 'has no policy' : `decides by epoch ${epoch}`
  if (state === 'taken_up') return by
  if (state === 'silent') return 'has not said by which policy it decides'
  return state === 'refused' ? `refused it and ${by}` : by
}

export interface PolicyAlarm {
  readonly tone: 'bad' | 'warn'
  readonly title: string
  /** A line from a policy file, empty where there is none. */
  readonly detail: string
}

/** What everybody should know on every page; undefined while all is well. The gravest first. */
export function policyAlarm(status: PolicyStatusView): PolicyAlarm | undefined {
  return refusedAlarm(status) ?? missingAlarm(status) ?? lateAlarm(status)
}

function refusedAlarm({ gateway }: PolicyStatusView): PolicyAlarm | undefined {
  if (gateway === null || gateway.refused === null) return undefined
  const { details, reason, source } = gateway.refused
  const what = source === 'file' ? 'changed policy file' : 'newest policy'
  const stays = gateway.epoch === null ? NO_POLICY : `Epoch ${gateway.epoch} still decides.`
  return bad(`The ${what} was refused. ${stays}`, details[0] ?? reason)
}

function missingAlarm({
  in_force,
  unreadable,
  gateway,
}: PolicyStatusView): PolicyAlarm | undefined {
  if (unreadable) return bad('The stored policy cannot be read.')
  const epoch = gateway?.epoch ?? null
  if (gateway === null ? in_force === null : epoch === null) return bad(NO_POLICY)
  return in_force === null ? bad(`No policy is stored; epoch ${epoch} still decides.`) : undefined
}

function lateAlarm(status: PolicyStatusView): PolicyAlarm | undefined {
  const { in_force } = status
  if (in_force === null) return undefined
  if (!isVerified(in_force.sealed_by)) return bad('Nobody known here sealed the newest policy.')
  const late = takeUpOf(status, in_force).filter(({ state }) => state !== 'taken_up')
  if (late.length === 0) return undefined
  const who = late.map((one) => `${one.name} ${takeUpWords(one)}`).join('; ')
  const title = `${who}. The newest policy is epoch ${in_force.epoch}.`
  return { tone: 'warn', title, detail: '' }
}

const NO_POLICY = 'No policy is in force: every proposal is refused.'

const bad = (title: string, detail = ''): PolicyAlarm => ({ tone: 'bad', title, detail })
