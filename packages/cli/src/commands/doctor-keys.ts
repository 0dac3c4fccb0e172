import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readKeyDelegation } from '@trustgw/protocol'
import {
  FileFault,
  isInUse,
  isSealedKeyFile,
  PublicKeys,
  readRoots,
  type Settings,
  verifierOf,
} from '@trustgw/runtime'
import { exists } from '../install/exists.ts'
import { keyFiles } from '../install/keys.ts'
import { layoutOf } from '../install/layout.ts'
import { operatorBook } from '../keys/key-admin.ts'
import { delegationFile } from '../policy/sealer.ts'
import type { Check } from './doctor-check.ts'

const DAY_MS = 86_400_000
const SOON_MS: number = 14 * DAY_MS

/** Which keys are believed, who rotates them, and how they lie on disk. */
export async function keyChecks(settings: Settings): Promise<readonly Check[]> {
  const { operatorTrust } = layoutOf(settings)
  if (!(await exists(join(operatorTrust, 'key-set.json')))) {
    return [{ name: 'Keys', grade: 'note', detail: 'none are installed yet' }]
  }
  try {
    return [await setCheck(settings), await rotationCheck(settings), await restCheck(settings)]
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    const remedy = 'put the file back from a backup; what is believed is never guessed'
    return [{ name: 'Keys', grade: 'fail', detail: error.message, remedy }]
  }
}

async function setCheck(settings: Settings): Promise<Check> {
  const { set, by } = (await operatorBook(settings)).newest
  const grants = set.keys.filter(isInUse).length
  const detail = `key set ${set.epoch} by the ${by}, as last seen by the operator; ${grants} grant keys in use`
  if (grants > 0) return { name: 'Keys', grade: 'ok', detail }
  const remedy = 'no gateway can grant: trustgw keys rotate, while one runs'
  return { name: 'Keys', grade: 'fail', detail, remedy }
}

async function rotationCheck(settings: Settings): Promise<Check> {
  const name = 'Key rotation'
  const layout = layoutOf(settings)
  const file = delegationFile(layout.host.rotationKey)
  const remedy = 'trustgw keys delegate lets the host rotate by the clock'
  if (!(await exists(file))) {
    return { name, grade: 'note', detail: 'by command only (trustgw keys rotate)', remedy }
  }
  const roots = new PublicKeys(await readRoots(layout.operatorTrust))
  const token = (await readFile(file, 'utf8')).trim()
  const rootKeyFor = roots.keyFor({ role: 'operator' })
  const read = readKeyDelegation(token, { rootKeyFor, verifierOf })
  if (!read.ok) return { name, grade: 'fail', detail: `${file} does not hold`, remedy }
  const until = new Date(read.value.not_after).toISOString()
  const left = read.value.not_after - Date.now()
  if (left <= 0) return { name, grade: 'warn', detail: `delegated until ${until}: over`, remedy }
  const grade = left < SOON_MS ? 'warn' : 'ok'
  return {
    name,
    grade,
    detail: `by the host, delegated until ${until}`,
    ...(grade === 'warn' ? { remedy } : {}),
  }
}

async function restCheck(settings: Settings): Promise<Check> {
  const name = 'Keys at rest'
  const layout = layoutOf(settings)
  const files = [
    layout.operatorKey,
    ...keyFiles(layout, settings.executor.profile).map(({ file }) => file),
  ]
  const open: string[] = []
  for (const file of files) {
    if ((await exists(file)) && !(await isSealedKeyFile(file))) open.push(file)
  }
  if (open.length === 0) return { name, grade: 'ok', detail: 'signing keys are sealed' }
  const detail = `${open.length} signing keys lie unsealed, ${open[0]} among them`
  if (settings.mode === 'development') return { name, grade: 'note', detail }
  const remedy = 'set keys.passphrase_file and run trustgw init, which seals them'
  return { name, grade: 'warn', detail, remedy }
}
