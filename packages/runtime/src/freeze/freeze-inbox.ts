import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FREEZE_NOTICE_MAX_BYTES } from '@trustgw/protocol'
import { FileFault, readPrivateFile } from '../file/private-file.ts'
import type { Logger } from '../log/logger.ts'

const INBOX_FILES_MAX = 256

/** What lies in the folder; a file of others than its owner says nothing, and that is told. */
export async function noticesIn(dir: string, log: Logger): Promise<readonly Uint8Array[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.json')).toSorted()
  const found: Uint8Array[] = []
  for (const name of names.slice(0, INBOX_FILES_MAX)) {
    try {
      found.push(await readPrivateFile(join(dir, name), FREEZE_NOTICE_MAX_BYTES))
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      log.warn('freeze_file_not_read', { code: error.code, name })
    }
  }
  return found
}
