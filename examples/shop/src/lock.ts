import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ShopError } from './shop-error.ts'

const LOCK_FILE = 'lock'
const MAX_TRIES = 3
const heldHere = new Set<string>()

/**
 * Takes the folder for this process; two writers would corrupt the ledger. A lock left by a dead
 * process is replaced: it names the process by id and start time, so a reused id does not count.
 * Throws ShopError `state_in_use`. Returns the release.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(resolve(folder), LOCK_FILE)
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    if (heldHere.has(path)) break
    if (await tryCreate(path)) {
      heldHere.add(path)
      return async () => {
        heldHere.delete(path)
        await rm(path, { force: true })
      }
    }
    if (await holderLives(path)) break
    await rm(path, { force: true })
  }
  throw new ShopError('state_in_use', 'Another process uses this state folder.')
}

async function tryCreate(path: string): Promise<boolean> {
  // Linked into place complete: nobody ever reads a lock that does not yet name its holder.
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${process.pid} ${await startTime(process.pid)}\n`, { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function holderLives(path: string): Promise<boolean> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
  const [pidText = '', start = ''] = content.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false
  }
  return (await startTime(pid)) === start
}

/** Field 22 of /proc/<pid>/stat; "-" where there is no /proc, so that the id alone decides. */
async function startTime(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
  } catch {
    return '-'
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
