import { test } from 'node:test'
import { checkLargeLog } from './large-log.ts'

test('a log of 20 000 entries is read back and verified in bounded memory', (context) =>
  checkLargeLog(context, 20_000))
