import type { Command } from '../../command.ts'
import { KEYS_DELEGATE } from './delegate.ts'
import { KEYS_LIST } from './list.ts'
import { KEYS_REVOKE } from './revoke.ts'
import { KEYS_ROTATE } from './rotate.ts'

export const KEY_COMMANDS: readonly Command[] = [KEYS_LIST, KEYS_ROTATE, KEYS_REVOKE, KEYS_DELEGATE]
