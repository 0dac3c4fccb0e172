import type { FreezeScope } from '@trustgw/protocol'
import { visible } from '../terminal.ts'

/** What stands still, in words. */
export function scopeWords(scope: FreezeScope): string {
  return scope.kind === 'tenant' ? 'everything' : `${scope.kind} ${visible(scope.name)}`
}
