import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '../src/process-table.ts'
import { type CommandOutcome, type RunningSystem, startSystem } from '../src/system.ts'
import { callJson, folder, trustgw } from './e2e-support.ts'

const OTHERS = 0o077
const MAIN = fileURLToPath(new URL('../../../cli/dist/src/main.js', import.meta.url))

test('init makes keys that nobody else can read, and says what comes next', async (t) => {
  const cwd = await folder(t)
  const made = await trustgw(cwd, ['init', '--json'], { TRUSTGW_MODE: 'production' })
  assert.equal(made.code, 0, made.err)
  const { state_dir } = JSON.parse(made.out)
  assert.equal(state_dir, join(cwd, '.trustgw'))
  const [grant = ''] = await readdir(join(state_dir, 'gateway/grant'))
  const grantKey = join('gateway/grant', grant)
  const secrets = [grantKey, 'host/host.key', 'executor/bus.creds', 'log/log.key']
  for (const file of secrets) {
    assert.equal((await stat(join(state_dir, file))).mode & OTHERS, 0, file)
  }
  const keys = await readFile(join(state_dir, 'executor/trust/key-set.json'), 'utf8')
  assert.doesNotMatch(keys, /PRIVATE/)
  const first = await readFile(join(state_dir, grantKey), 'utf8')
  assert.equal((await trustgw(cwd, ['init'], { TRUSTGW_MODE: 'production' })).code, 0)
  assert.equal(await readFile(join(state_dir, grantKey), 'utf8'), first)
})

test('words that are no command, and a flag that is none, end with 2', async (t) => {
  const cwd = await folder(t)
  assert.equal((await trustgw(cwd, ['fly'])).code, 2)
  assert.equal((await trustgw(cwd, ['tool', 'run', '--no-such-flag'])).code, 2)
  assert.equal((await trustgw(cwd, ['--version'])).code, 0)
  const help = await trustgw(cwd, ['--help'])
  assert.equal(help.code, 0)
  assert.match(help.out, /audit verify/)
})

describe('the commands against a running system', () => {
  let system: RunningSystem
  let run: (...args: readonly string[]) => Promise<CommandOutcome>

  before(async () => {
    system = await startSystem()
    const env = { TRUSTGW_API_KEY: system.apiKey ?? '' }
    run = (...args) => system.command(args, { env })
  })
  after(() => system.remove())

  test('a second supervisor on the same state folder is refused, whatever its ports', async () => {
    const other = await system.command(['up'], {
      env: {
        TRUSTGW_NATS_PORT: '1',
        TRUSTGW_NATS_WEBSOCKET_PORT: '2',
        TRUSTGW_GATEWAY_LISTEN: '127.0.0.1:3',
        TRUSTGW_HOST_LISTEN: '127.0.0.1:4',
        TRUSTGW_EXAMPLE_SHOP_PORT: '5',
      },
    })
    assert.equal(other.code, 1)
    assert.match(other.err, new RegExp(`process ${system.supervisorPid} already runs`))
  })

  test('doctor finds nothing that keeps it from running', async () => {
    const doctor = await run('doctor', '--json')
    assert.equal(doctor.code, 0, doctor.out + doctor.err)
    assert.match(doctor.out, /nats-server/)
  })

  test('agents: add shows the key once, list never, revoke ends it', async () => {
    const added = JSON.parse((await run('agents', 'add', '--name', 'visitor', '--json')).out)
    const listed = await run('agents', 'list', '--json')
    assert.ok(listed.out.includes(added.key_id))
    assert.ok(!listed.out.includes(added.api_key))
    assert.doesNotMatch(listed.out, /secret_hash/)
    assert.equal((await run('agents', 'revoke', added.key_id)).code, 0)
    const again = await run('agents', 'revoke', added.key_id)
    assert.equal(again.code, 1)
    assert.equal((await run('agents', 'add')).code, 2)
  })

  test('agents add keeps roles, scopes and skill level; what was not said is unknown, an empty list is none', async () => {
    const add = async (name: string, ...flags: readonly string[]): Promise<unknown> => {
      const added = await run('agents', 'add', '--name', name, ...flags, '--json')
      assert.equal(added.code, 0, added.err)
      const { agents } = JSON.parse((await run('agents', 'list', '--json')).out)
      const { roles, scopes, skill_level } = agents.find(
        (one: { key_id: string }) => one.key_id === JSON.parse(added.out).key_id,
      )
      return { roles, scopes, skill_level }
    }
    const role = ['--role', 'clerk,night-shift']
    const rest = ['--scope', 'refunds', '--skill-level', 'senior']
    assert.deepEqual(await add('clerk', ...role, ...rest), {
      roles: ['clerk', 'night-shift'],
      scopes: ['refunds'],
      skill_level: 'senior',
    })
    const unknown = { roles: undefined, scopes: undefined, skill_level: undefined }
    assert.deepEqual(await add('stranger'), unknown)
    assert.deepEqual(await add('nobody', '--role', '', '--scope', ''), {
      ...unknown,
      roles: [],
      scopes: [],
    })
    for (const [flag, value] of [
      ['--role', 'clerk,,x'],
      ['--scope', 'a b'],
      ['--skill-level', ''],
    ] as const) {
      const refused = await run('agents', 'add', '--name', 'odd', flag, value)
      assert.notEqual(refused.code, 0, value)
      assert.match(refused.err, new RegExp(flag))
    }
  })

  test('tool list and tool run: 0 when it ran, 126 when policy refuses, 127 for no such tool', async () => {
    const listed = await run('tool', 'list')
    assert.equal(listed.code, 0)
    assert.match(listed.out, /shop\.refund/)
    const done = await run('tool', 'run', 'shop.get_order', '{"order_id":"ord_1001"}', '--json')
    assert.equal(done.code, 0, done.err)
    assert.equal(JSON.parse(done.out).status, 'succeeded')
    // The quick-start policy has no rule for writes to the memory: denied.
    const entities = { entities: [{ name: 'a', entityType: 'b', observations: [] }] }
    const denied = await run('tool', 'run', 'memory.create_entities', JSON.stringify(entities))
    assert.equal(denied.code, 126, denied.err)
    assert.equal((await run('tool', 'run', 'shop.nothing', '{}')).code, 127)
    assert.equal((await run('tool', 'run', 'shop.get_order', '{"a":1,"a":2}')).code, 2)
  })

  test('policy check reads the registered tools, policy replay the recorded actions', async (t) => {
    const policy = join(system.stateDir, 'policy.toml')
    const checked = await run('policy', 'check', policy, '--json')
    assert.equal(checked.code, 0, checked.out + checked.err)
    const { tools, findings } = JSON.parse(checked.out)
    assert.equal(tools.from, 'registry')
    assert.match(JSON.stringify(findings), /"details":\{"tool":"memory\.create_entities"\}/)
    const same = await run('policy', 'replay', policy, '--json')
    assert.equal(same.code, 0, same.out + same.err)
    assert.ok(JSON.parse(same.out).decided >= 2, same.out)
    const open = join(await folder(t), 'open.toml')
    const rule = 'id = "all"\npriority = 1\neffect = "allow"\nmatch = { tool = ["**"] }\n'
    await writeFile(open, `version = 1\n[[rules]]\n${rule}`)
    const saved = join(system.stateDir, 'saved.ndjson')
    const wider = await run('policy', 'replay', open, '--since', '1h', '--save', saved)
    assert.equal(wider.code, 1, wider.out + wider.err)
    assert.match(wider.out, /memory\.create_entities +deny by default → allow by "all"/)
    const { proposal } = JSON.parse((await readFile(saved, 'utf8')).split('\n')[0] ?? '')
    const why = await run('policy', 'explain', policy, '--action', proposal.action_id)
    assert.equal(why.code, 0, why.out + why.err)
    assert.ok(why.out.startsWith(`${proposal.tool_id}: `), why.out)
  })

  test('tool run ends with 130 when the action is cancelled while a person thinks', async () => {
    const args = '{"order_id":"ord_1001","amount":"150.00","currency":"EUR","reason":"x"}'
    const running = run('tool', 'run', 'shop.refund', args, '--json')
    let id = ''
    await until('it waits for a person', async () => {
      const { approvals } = JSON.parse((await run('approvals', 'list', '--json')).out)
      id = approvals[0]?.action_id ?? ''
      return id !== ''
    })
    const cancelled = await callJson(`${system.gateway}/v1/actions/${id}/cancel`, {
      method: 'POST',
      key: system.apiKey,
    })
    assert.equal(cancelled.status, 200, cancelled.text)
    assert.equal((await running).code, 130)
  })

  test('approvals list and pins list say so when there is nothing', async () => {
    const approvals = await run('approvals', 'list')
    assert.equal(approvals.code, 0)
    assert.match(approvals.out, /Nothing waits/)
    const pins = await run('pins', 'list', '--json')
    assert.deepEqual(JSON.parse(pins.out), { pins: [], revoked: [] })
    assert.equal((await run('pins', 'revoke', 'AAAA')).code, 1)
    assert.equal((await run('pins', 'add')).code, 2)
  })

  test('tool quarantine stops a tool at the running gateway, tool release lets it be called again', async () => {
    const listed = await run('tool', 'contracts', '--json')
    assert.equal(listed.code, 0, listed.err)
    const { tools } = JSON.parse(listed.out) as {
      tools: { tool: string; contract_hash: string; quarantine: string | null }[]
    }
    const [first] = tools
    assert.ok(first !== undefined && first.quarantine === null)
    assert.equal((await run('tool', 'quarantine', first.tool)).code, 0)
    const names = async (): Promise<string> => (await run('tool', 'list')).out
    await until('the tool to be held', async () => !(await names()).includes(first.tool))
    const shown = await run('tool', 'release', first.tool)
    assert.match(shown.out, /did not change/)
    const other = await run('tool', 'release', first.tool, '--contract', 'sha256:0')
    assert.equal(other.code, 1)
    const released = await run('tool', 'release', first.tool, '--contract', first.contract_hash)
    assert.equal(released.code, 0, released.err)
    await until('the tool to be back', async () => (await names()).includes(first.tool))
    assert.equal((await run('tool', 'quarantine', 'no.such')).code, 1)
  })

  test('audit tail shows what happened, audit verify finds it whole', async () => {
    await until('the log has the call', async () => {
      const tail = await run('audit', 'tail', '--no-follow', '--last', '500')
      return tail.code === 0 && /succeeded/.test(tail.out) && /denied/.test(tail.out)
    })
    const verified = await run('audit', 'verify', '--json')
    assert.equal(verified.code, 0, verified.out)
    assert.equal(JSON.parse(verified.out).ok, true)
    const none = await run('audit', 'verify', '--tenant', 'nobody', '--json')
    assert.notEqual(none.code, 0, 'a log that is not there is not intact')
  })

  test('without a bus a command says so and ends with 1', async (t) => {
    const cwd = await folder(t)
    const env = { TRUSTGW_MODE: 'development', TRUSTGW_NATS_PORT: '1' }
    assert.equal((await trustgw(cwd, ['init'], env)).code, 0)
    const ended = await trustgw(cwd, ['agents', 'list'], env)
    assert.equal(ended.code, 1)
    assert.match(ended.err, /Is it running\?/)
  })

  test('a start that is interrupted stops what it began and never says that it runs', async () => {
    await system.stop()
    const child = spawn(process.execPath, [MAIN, 'up', '--json'], {
      cwd: dirname(system.stateDir),
      env: { ...system.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    let asked = false
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
      if (!asked && err.includes('starting nats-server')) asked = child.kill('SIGINT')
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.equal(code, 0, err)
    assert.match(err, /stopping before everything was started/)
    assert.equal(out, '')
  })
})
