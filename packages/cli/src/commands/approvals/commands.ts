import type { Command } from '../../command.ts'
import { APPROVALS_APPROVE } from './approve.ts'
import { APPROVALS_DENY } from './deny.ts'
import { APPROVALS_LIST } from './list.ts'
import { APPROVALS_SHOW } from './show.ts'

export const APPROVAL_COMMANDS: readonly Command[] = [
  APPROVALS_LIST,
  APPROVALS_SHOW,
  APPROVALS_DENY,
  APPROVALS_APPROVE,
]
