import type { Operation } from '@trustgw/protocol'
import type { ReviewRefusal } from './review.ts'

const VERBS: Readonly<Record<Operation, string>> = {
  read: 'read with',
  create: 'create something with',
  update: 'change something with',
  delete: 'delete something with',
  transfer: 'move money or rights with',
}

/** `refund-bot wants to move money with “Refund an order”`: the part between the names. */
export function operationVerb(operation: Operation, movesMoney: boolean): string {
  return movesMoney ? 'move' : VERBS[operation]
}

const NOUNS: Readonly<Record<Operation, string>> = {
  read: 'Read',
  create: 'Create',
  update: 'Change',
  delete: 'Delete',
  transfer: 'Transfer',
}

export function operationNoun(operation: Operation): string {
  return NOUNS[operation]
}

const MISMATCHES: Readonly<Record<ReviewRefusal, string>> = {
  arguments_unreadable: 'The arguments are not strict JSON, so what they mean is not certain.',
  arguments_not_canonical: 'The arguments are not in canonical form, so their hash says nothing.',
  input_hash_differs: 'The arguments on this card are not the ones that the decision was made for.',
  contract_hash_differs:
    'The description of the tool is not the one that the decision was made for.',
  tool_differs: 'The decision is for another tool.',
  action_differs: 'The decision is for another action.',
  tenant_differs: 'The action belongs to another tenant.',
  precondition_differs:
    'What was read for the action is not what its tool asks for, or not what was hashed.',
  not_an_approval: 'The decision does not ask for an approval.',
}

export function mismatchSentence(reason: ReviewRefusal): string {
  return MISMATCHES[reason]
}
