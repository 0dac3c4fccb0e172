import type { JwsVerifier } from '@trustgw/protocol'
import { type Refused, refused } from './reasons.ts'

/** Why nothing is admitted now. */
export type BeatProblem = 'beat_missing' | 'key_set_behind'

/** Whether the planes that may stop this executor can be heard, and what they know is known here. */
export interface Liveness {
  problem(): BeatProblem | undefined
  /** Reads at once what is said to be newer; now and then at most, whoever asks how often. */
  catchUp(): Promise<void>
}

export interface BeatDeps {
  readonly liveness: Liveness
  readonly grantKeyFor: (kid: string) => JwsVerifier | undefined
}

/**
 * The end of step 1 of spec/protocol.md §4, and once more right before the claim: a revocation that
 * comes in between holds. Host or log was heard within two seconds, and no newer key set than the own
 * one is known to either.
 */
export async function checkBeat(deps: Pick<BeatDeps, 'liveness'>): Promise<Refused | undefined> {
  if (deps.liveness.problem() === 'key_set_behind') await deps.liveness.catchUp()
  const problem = deps.liveness.problem()
  return problem === undefined ? undefined : refused(problem)
}

/** The same, and the key that signed the grant is still believed. */
export async function checkStillBelieved(
  kid: string,
  deps: BeatDeps,
): Promise<Refused | undefined> {
  const problem = await checkBeat(deps)
  if (problem !== undefined) return problem
  return deps.grantKeyFor(kid) === undefined ? refused('grant_key_unknown') : undefined
}
