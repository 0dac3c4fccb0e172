/**
 * One more executor of the profile, beside that of a running system: the same program, keys and
 * policy, with a journal of its own on disk and a chain of audit events of its own. What it runs on
 * comes over its channel.
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runExecutor } from '@trustgw/executor'
import { parseJsonObject, parseProfile, parseTenantId } from '@trustgw/protocol'
import {
  connectNats,
  KeyBook,
  keyIdOf,
  loadSigningKey,
  nodeRandom,
  readCredsFile,
  silentLogger,
  systemClock,
} from '@trustgw/runtime'
import { endWithParent, tellParent } from './floor-messages.ts'

const MODULES_DIR = fileURLToPath(new URL('../../../../../', import.meta.url))
const RESULT_MAX_BYTES = 131_072
const TOOL_TIMEOUT_MS = 30_000
const RUNNING_MAX = 64

interface Told {
  readonly nats: string
  readonly state_dir: string
}

async function told(): Promise<Told> {
  const message = await new Promise<unknown>((resolve) => process.once('message', resolve))
  const parsed = typeof message === 'string' ? parseJsonObject(message) : undefined
  const { nats, state_dir } = parsed?.ok === true ? parsed.value : {}
  if (typeof nats !== 'string' || typeof state_dir !== 'string') throw new TypeError('not told')
  return { nats, state_dir }
}

/** Everything but the journal of the first one. */
function ownFiles(stateDir: string): string {
  const [from, to] = [join(stateDir, 'executor'), join(stateDir, 'bench-executor')]
  mkdirSync(to, { recursive: true, mode: 0o700 })
  cpSync(from, to, { recursive: true, filter: (path) => !path.includes('wal.ndjson') })
  return to
}

async function named(role: string, file: string): Promise<{ kid: string; sign: Sign }> {
  const key = await loadSigningKey(file)
  return { kid: keyIdOf(role, key.publicKey), sign: key.sign }
}
type Sign = Awaited<ReturnType<typeof loadSigningKey>>['sign']

async function main(): Promise<void> {
  endWithParent()
  const { nats, state_dir } = await told()
  const dir = ownFiles(state_dir)
  const [profile, tenant] = [parseProfile('connector'), parseTenantId('main')]
  if (!profile.ok || !tenant.ok) throw new TypeError('profile and tenant')
  const book = await KeyBook.open({
    dir: join(dir, 'trust'),
    clock: systemClock,
    log: silentLogger,
  })
  const link = await connectNats({
    servers: [nats],
    creds: readCredsFile(join(dir, 'bus.creds')),
    logger: silentLogger,
    random: nodeRandom,
  })
  await book.follow({
    sets: link.records({ home: 'data', bucket: 'keys' }),
    revocations: link.records({ home: 'data', bucket: 'key_revocations' }),
  })
  await runExecutor(
    {
      profile: profile.value,
      tenants: [tenant.value],
      state_dir,
      executor_dir: dir,
      connectors_dir: join(state_dir, 'connectors'),
      modules_dir: MODULES_DIR,
      instance: 'bench',
      result_max_bytes: RESULT_MAX_BYTES,
      tool_timeout_ms: TOOL_TIMEOUT_MS,
      max_running: RUNNING_MAX,
      development_policy: true,
    },
    {
      link,
      trust: book.keys,
      keySet: book,
      resultKey: await named('result', join(dir, 'result.key')),
      auditKey: await named('audit', join(dir, 'audit.key')),
      clock: systemClock,
      random: nodeRandom,
      logger: silentLogger,
    },
  )
  tellParent({ ready: true })
}

await main()
