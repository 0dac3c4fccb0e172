import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { until } from '../src/process-table.ts'
import { type CommandOutcome, type RunningSystem, startSystem } from '../src/system.ts'
import { callJson } from './e2e-support.ts'

const LIST = 'files.list_allowed_directories'
const forbid = (tool: string): string =>
  `version = 1\n[[rules]]\nid = "stop"\npriority = 1\neffect = "deny"\nreason = "Not today"\n[rules.match]\ntool = ["${tool}"]\n`

describe('the policy of a running system', () => {
  let system: RunningSystem
  let policy: string
  let original: string
  let key: string | null

  before(async () => {
    system = await startSystem()
    key = system.apiKey
    policy = join(system.stateDir, 'policy.toml')
    original = await readFile(policy, 'utf8')
  })
  after(() => system.remove())

  const command = (...args: readonly string[]): Promise<CommandOutcome> => system.command(args)

  async function epoch(): Promise<number> {
    const shown = await command('policy', 'show', '--json')
    assert.equal(shown.code, 0, shown.err)
    return Number(JSON.parse(shown.out).epoch)
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${system.gateway}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
  }

  const propose = async (): Promise<string> => {
    const { body } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key,
      body: { tool: LIST, arguments: {}, wait_ms: 10_000 },
    })
    return String(body['status'])
  }

  test('the file that is installed points to a schema that is there', async () => {
    const [, schema = ''] = /^#:schema (.+)$/m.exec(original) ?? []
    const document: unknown = JSON.parse(await readFile(join(system.stateDir, schema), 'utf8'))
    assert.ok(typeof document === 'object' && document !== null && '$schema' in document)
  })

  test('a change of the file is sealed, taken live by gateway and executor, and decides', async () => {
    const was = await epoch()
    assert.equal(await metric('trustgw_policy_epoch'), was)
    assert.equal(await propose(), 'succeeded')
    await mkdir(join(system.stateDir, 'policy'), { recursive: true })
    await writeFile(join(system.stateDir, 'policy', 'tenant.toml'), forbid(LIST))
    await until(
      'the policy is taken',
      async () => (await metric('trustgw_policy_epoch')) === was + 1,
    )
    assert.equal(await propose(), 'denied')
    await writeFile(join(system.stateDir, 'policy', 'tenant.toml'), forbid('files.nothing'))
    await until(
      'the policy is taken',
      async () => (await metric('trustgw_policy_epoch')) === was + 2,
    )
    await until('the policy is taken', async () => (await propose()) === 'succeeded')
  })

  test('a file that does not load changes nothing, and audit and metrics say so', async () => {
    const was = await metric('trustgw_policy_epoch')
    const refused = await metric('trustgw_policy_refused_total')
    await writeFile(policy, original.replace('effect', 'efect'))
    await until(
      'the policy is taken',
      async () => (await metric('trustgw_policy_refused_total')) > refused,
    )
    assert.equal(await metric('trustgw_policy_epoch'), was)
    assert.equal(await propose(), 'succeeded')
    const tail = await command('audit', 'tail', '--json', '--no-follow')
    assert.match(tail.out, /policy_refused/)
    await writeFile(policy, original)
  })

  test('policy apply says what a change permits, and applies it only when that is meant', async () => {
    const file = join(system.stateDir, '..', 'wider.toml')
    await writeFile(
      file,
      `${original}\n[[rules]]\nid = "wide"\npriority = 1\neffect = "allow"\n[rules.match]\ntool = ["shop.**"]\n`,
    )
    const dry = await command('policy', 'apply', file, '--dry-run')
    assert.equal(dry.code, 1)
    assert.match(dry.err, /permits more[\s\S]*becomes allow by wide/)
    const was = await epoch()
    const plain = await command('policy', 'apply', file)
    assert.equal(plain.code, 1)
    assert.match(plain.err, /--yes/)
    assert.equal(await epoch(), was)
    const sealing = join(system.stateDir, '..', 'policy.key')
    assert.equal((await command('policy', 'delegate', '--out', sealing, '--days', '2')).code, 0)
    const applied = await command('policy', 'apply', file, '--yes', '--key', sealing, '--json')
    assert.equal(applied.code, 0, applied.err)
    assert.equal(JSON.parse(applied.out).sealed_by, 'delegate')
    await until(
      'the policy is taken',
      async () => (await metric('trustgw_policy_epoch')) === was + 1,
    )
  })

  test('what was put in force outlives a restart, until the files change', async () => {
    const was = await epoch()
    system = await system.restart()
    assert.equal(await epoch(), was)
    assert.equal(await propose(), 'succeeded')
    await writeFile(policy, original)
    await until('the policy is taken', async () => (await epoch()) === was + 1)
  })
})
