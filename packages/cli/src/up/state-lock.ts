import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const LOCK_FILE = 'supervisor.lock'
const LOCK_TRIES_MAX = 3

/** The process that holds the state folder, or the release of the lock that was taken. */
export type StateLock =
  | { readonly ok: true; readonly release: () => Promise<void> }
  | { readonly ok: false; readonly reason: 'state_in_use'; readonly pid: number }

/**
 * Takes the state folder for one supervisor: two bus servers over one store undo each other's
 * claims and ruin the record. A lock whose process is gone is replaced; it names the process by id
 * and start time, so that a reused id does not count.
 */
export async function lockState(stateDir: string): Promise<StateLock> {
  const path = join(stateDir, LOCK_FILE)
  for (let attempt = 0; attempt < LOCK_TRIES_MAX; attempt += 1) {
    if (await tryCreate(path)) {
      return { ok: true, release: () => rm(path, { force: true }) }
    }
    const found = await holderOf(path)
    if (found !== undefined) return { ok: false, reason: 'state_in_use', pid: found }
    await rm(path, { force: true })
  }
  return { ok: false, reason: 'state_in_use', pid: process.pid }
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

async function holderOf(path: string): Promise<number | undefined> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
  const [pidText = '', start = ''] = content.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return undefined
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return undefined
  }
  return (await startTime(pid)) === start ? pid : undefined
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
