import { actionIdField, nameField } from './fields.ts'
import type { ActionId } from './ids.ts'
import { objectShape, oneOfShape, type Shape, taggedShape } from './shape.ts'

/**
 * gateway → executor (spec/protocol.md §3): about an action that was sent before. Unsigned: being asked
 * permits nothing. A cancel only takes away; a reconcile only reads, and its answer is a signed result.
 */
export interface ExecutorQuery {
  readonly v: 1
  readonly action_id: ActionId
}

export const EXECUTOR_QUERY_MAX_BYTES = 1_024

export const executorQueryShape: Shape<ExecutorQuery> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
})

/** executor → gateway, in answer to a cancel. */
export type CancelAnswer =
  /** The journal entry is claimed for the end: no executor of the profile can enter the tool. */
  | { readonly status: 'cancelled' }
  /** A run has claimed it: its result comes. */
  | { readonly status: 'claimed' }
  /** Not known now. */
  | { readonly status: 'later'; readonly reason: string }

export const cancelAnswerShape: Shape<CancelAnswer> = taggedShape('status', {
  cancelled: objectShape({ status: oneOfShape('cancelled') }),
  claimed: objectShape({ status: oneOfShape('claimed') }),
  later: objectShape({ status: oneOfShape('later'), reason: nameField }),
})

/** executor → gateway, in answer to a reconcile. */
export type ReconcileAnswer =
  /** What is known is on its way as a signed result. */
  | { readonly status: 'told' }
  /** The provider cannot tell, or there is nobody to ask: a person has to find out. */
  | { readonly status: 'unclear'; readonly reason: string }
  /** It may still run, or a store is out of reach: to be asked again. */
  | { readonly status: 'later'; readonly reason: string }

export const reconcileAnswerShape: Shape<ReconcileAnswer> = taggedShape('status', {
  told: objectShape({ status: oneOfShape('told') }),
  unclear: objectShape({ status: oneOfShape('unclear'), reason: nameField }),
  later: objectShape({ status: oneOfShape('later'), reason: nameField }),
})
