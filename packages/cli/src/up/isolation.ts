import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadBusKeys, type Settings } from '@trustgw/runtime'
import { busNodes } from '../install/instances.ts'
import { layoutOf } from '../install/layout.ts'
import { busConfig } from './bus.ts'

/** One wall that is claimed, and whether it really stands here. */
export interface Isolation {
  readonly name: string
  readonly in_force: boolean
  readonly detail: string
}

/** Folders of keys: those that are there, and those of them that others may enter. */
export interface KeyFolders {
  readonly there: readonly string[]
  readonly open: readonly string[]
}

const NOT_INSTALLED = 'Nothing is installed here.'
export const KEY_FILES_WALL = 'key files'

/** Looks at what is really in force on this machine (nothing is claimed that was not looked at). */
export async function isolationInForce(settings: Settings): Promise<readonly Isolation[]> {
  return [
    await busWall(settings),
    keyFilesWall(await keyFolders(settings)),
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
      in_force: settings.nats.sync_interval === 'always' || settings.nats.nodes > 1,
      detail:
        settings.nats.sync_interval === 'always'
          ? 'Every message is on disk before it counts.'
          : settings.nats.nodes > 1
            ? 'Every message is with two of three servers before it counts; on one machine a power loss takes them all.'
            : `Messages are forced to disk every ${settings.nats.sync_interval}: a power loss may lose the last of them.`,
    },
  ]
}

export async function keyFolders(settings: Settings): Promise<KeyFolders> {
  const layout = layoutOf(settings)
  const services = [...layout.gateways, layout.host, ...layout.executors, layout.log]
  const there: string[] = []
  const open: string[] = []
  for (const dir of [layout.operator, ...services.map((files) => files.dir)]) {
    const mode = await modeOf(dir)
    if (mode === undefined) continue
    there.push(dir)
    if ((mode & OTHERS_MODE) !== 0) open.push(dir)
  }
  return { there, open }
}

const OTHERS_MODE = 0o077

function keyFilesWall({ there, open }: KeyFolders): Isolation {
  const name = KEY_FILES_WALL
  if (there.length === 0) return { name, in_force: false, detail: NOT_INSTALLED }
  return open.length === 0
    ? { name, in_force: true, detail: 'Folders of keys are for their owner only.' }
    : { name, in_force: false, detail: `Open to others: ${open.join(', ')}` }
}

async function busWall(settings: Settings): Promise<Isolation> {
  const name = 'accounts on the bus'
  const layout = layoutOf(settings)
  const services = [...layout.gateways, layout.host, ...layout.executors, layout.log]
  const identities = services.map(({ creds }) => creds)
  const modes = await Promise.all(identities.map(modeOf))
  if (modes.every((mode) => mode === undefined))
    return { name, in_force: false, detail: NOT_INSTALLED }
  const missing = identities.filter((_, index) => modes[index] === undefined)
  if (missing.length > 0)
    return { name, in_force: false, detail: `Identities are missing: ${missing.join(', ')}` }
  const config = await busConfiguration(settings)
  if (config === undefined)
    return { name, in_force: false, detail: 'The configuration of the bus cannot be read here.' }
  return isOperatorMode(config)
    ? {
        name,
        in_force: true,
        detail:
          'Each process has its own identity in its own account; nobody but provisioning reaches the streams.',
      }
    : {
        name,
        in_force: false,
        detail: 'The configuration of the bus lets in who has no identity: start it again.',
      }
}

/** That with which the bus was last started, else that with which it will be. */
async function busConfiguration(settings: Settings): Promise<string | undefined> {
  const layout = layoutOf(settings)
  try {
    return await readFile(join(layout.bus, 'nats.conf'), 'utf8')
  } catch {
    return configurationToBe(settings)
  }
}

function configurationToBe(settings: Settings): string | undefined {
  const [first] = busNodes(settings)
  if (first === undefined) return undefined
  try {
    const keys = loadBusKeys(layoutOf(settings).busKeys)
    return busConfig(settings, keys, first)
  } catch {
    return undefined
  }
}

/** Whoever connects shows an identity of the operator; nobody is let in without one. */
function isOperatorMode(config: string): boolean {
  return /^operator: \S/m.test(config) && !/\bno_auth_user\b/.test(config)
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode
  } catch {
    return undefined
  }
}
