import {
  canonicalize,
  FREEZE_NOTICE_MAX_BYTES,
  FREEZE_NOTICES_MAX,
  type FreezeNotice,
  freezeNoticeJson,
  parseJsonObject,
  utf8Encode,
} from '@trustgw/protocol'
import type { Disk } from '../file/disk.ts'
import {
  atomicWriteFile,
  FileFault,
  readPrivateFile,
  SECRET_FILE_MODE,
} from '../file/private-file.ts'

/** A notice and what stands around it in its line. */
const LINE_MAX_BYTES: number = FREEZE_NOTICE_MAX_BYTES + 1_024
const FILE_MAX_BYTES: number = FREEZE_NOTICES_MAX * LINE_MAX_BYTES

export interface KeptNotice {
  readonly vouched: string
  readonly bytes: Uint8Array
}

/** One line for each notice, with who vouched for it. A file that does not exist has none. `FileFault`. */
export async function readNoticeFile(file: string, disk: Disk): Promise<readonly KeptNotice[]> {
  let bytes: Uint8Array
  try {
    bytes = await readPrivateFile(file, FILE_MAX_BYTES, disk)
  } catch (error) {
    if (error instanceof FileFault && error.code === 'file_missing') return []
    throw error
  }
  const lines = new TextDecoder().decode(bytes).split('\n').slice(0, -1)
  return lines.map((line) => {
    const parsed = parseJsonObject(line, { maxBytes: LINE_MAX_BYTES })
    const vouched = parsed.ok ? parsed.value['vouched'] : undefined
    const notice = parsed.ok ? parsed.value['notice'] : undefined
    if (typeof vouched !== 'string' || notice === undefined) {
      throw new FileFault('file_malformed', file)
    }
    return { vouched, bytes: utf8Encode(canonicalize(notice)) }
  })
}

export async function writeNoticeFile(
  file: string,
  entries: readonly { readonly notice: FreezeNotice; readonly vouched: string }[],
  disk: Disk,
): Promise<void> {
  const lines = entries.map(
    ({ notice, vouched }) => `${canonicalize({ notice: freezeNoticeJson(notice), vouched })}\n`,
  )
  await atomicWriteFile(file, lines.join(''), { mode: SECRET_FILE_MODE, disk })
}
