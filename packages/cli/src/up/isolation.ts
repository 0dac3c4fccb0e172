import { stat } from 'node:fs/promises'
import type { Settings } from '@trustgw/runtime'
import { layoutOf } from '../install/layout.ts'

/** One wall that is claimed, and whether it really stands here. */
export interface Isolation {
  readonly name: string
  readonly in_force: boolean
  readonly detail: string
}

/** Looks at what is really in force on this machine (nothing is claimed that was not looked at). */
export async function isolationInForce(settings: Settings): Promise<readonly Isolation[]> {
  const layout = layoutOf(settings)
  const dirs = [
    layout.operator,
    layout.gateway.dir,
    layout.host.dir,
    layout.executor.dir,
    layout.log.dir,
  ]
  const open: string[] = []
  for (const dir of dirs) if (!(await isPrivate(dir))) open.push(dir)
  return [
    {
      name: 'accounts on the bus',
      in_force: true,
      detail:
        'Each process has its own identity in its own account; nobody but provisioning reaches the streams.',
    },
    {
      name: 'key files',
      in_force: open.length === 0,
      detail:
        open.length === 0
          ? 'Folders of keys are for their owner only.'
          : `Open to others: ${open.join(', ')}`,
    },
    {
      name: 'processes under different users',
      in_force: false,
      detail:
        'All processes run as one system user, so whoever takes one over can read the files of the others. Run them as services of their own users to have this wall.',
    },
    {
      name: 'tools in a sandbox',
      in_force: false,
      detail:
        'MCP servers run as child processes in a process group of their own with an empty environment, not in a sandbox.',
    },
    {
      name: 'stored before acknowledged',
      in_force: settings.nats.sync_interval === 'always',
      detail:
        settings.nats.sync_interval === 'always'
          ? 'Every message is on disk before it counts.'
          : `Messages are forced to disk every ${settings.nats.sync_interval}: a power loss may lose the last of them.`,
    },
  ]
}

async function isPrivate(path: string): Promise<boolean> {
  try {
    return ((await stat(path)).mode & 0o077) === 0
  } catch {
    return false
  }
}
