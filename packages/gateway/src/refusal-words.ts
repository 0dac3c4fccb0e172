import type { Crowded } from './action/known-actions.ts'
import type { Undecided } from './decide/decided.ts'

/** What a caller is told when nothing could be decided. */
export const UNDECIDED: { readonly [U in Undecided]: string } = {
  no_policy: 'no policy is in force',
  limits_contended: 'too many calls count in one limit at the same moment',
  limits_full: 'too many calls that one limit counts have not ended',
  limits_unreadable: 'a counter of a limit cannot be read',
}

/** What a caller is told when there is too much already. */
export const CROWDED: { readonly [C in Crowded]: string } = {
  gateway: 'too many actions are open',
  principal: 'too many of your actions are open',
  tool: 'the tool does not answer, or has as much to do as it can',
}

/** What a caller is told whose credential has a limit of its own. */
export const TOO_MANY_CALLS = 'as many calls as this agent may make in a minute were made'
