import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// dist/test/ → packages/cli/dist
const MAIN = fileURLToPath(new URL('../../bin/trustgw.mjs', import.meta.url))
/** Nobody listens there: a port for clients of none. */
const NOBODY = '127.0.0.1:1'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trustgw-cli-'))
})
after(() => rm(dir, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function trustgw(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<Ended>((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: dir,
      env: { PATH: process.env['PATH'], TRUSTGW_MODE: 'production', XDG_CONFIG_HOME: dir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

function lines(text: string): number {
  return text.split('\n').filter((line) => line !== '').length
}

test('a group lists its commands: 0 when help was asked for, else 2', async () => {
  const asked = await trustgw(['agents', '--help'])
  assert.equal(asked.code, 0)
  assert.match(asked.out, /agents add[^]*agents revoke/)
  const alone = await trustgw(['pins'])
  assert.equal(alone.code, 2)
  assert.match(alone.err, /pins add[^]*pins revoke/)
})

for (const words of [
  ['agents', 'list'],
  ['approvals', 'list'],
  ['pins', 'list'],
  ['audit', 'tail'],
]) {
  test(`${words.join(' ')} where nothing is installed says so in one line`, async () => {
    const { code, err } = await trustgw(words)
    assert.equal(code, 1)
    assert.equal(lines(err), 1, err)
    assert.match(err, /no installation in .*TRUSTGW_STATE_DIR/)
  })
}

test('a fault is one line of JSON for who asked for JSON', async () => {
  const settings = await trustgw(['doctor', '--json'], { TRUSTGW_MODE: 'sideways' })
  const usage = await trustgw(['tool', 'run', '--json'])
  const absent = await trustgw(['agents', 'list', '--json'])
  const file = await trustgw(['pins', 'add', '/nope', '--json'])
  const faults = [settings, usage, absent, file].map(({ code, out, err }) => {
    assert.equal(lines(out), 1, out)
    assert.equal(err, '')
    return [code, JSON.parse(out).error.code]
  })
  const expected = [
    [2, 'settings_refused'],
    [2, 'usage'],
    [1, 'not_installed'],
    [1, 'ENOENT'],
  ]
  assert.deepEqual(faults, expected)
})

test('a gateway that is down ends with 1 and one line that says how to start it', async () => {
  const env = {
    TRUSTGW_API_KEY: 'tgk_none',
    TRUSTGW_GATEWAY_PUBLIC_URL: `http://${NOBODY}`,
  }
  const { code, err } = await trustgw(['tool', 'list'], env)
  assert.equal(code, 1)
  assert.equal(lines(err), 1, err)
  assert.match(err, /127\.0\.0\.1:1 does not answer: is it running\? Start it with trustgw up$/m)
})

test('doctor claims no wall where nothing is installed', async () => {
  const { out } = await trustgw(['doctor', '--json'], { TRUSTGW_STATE_DIR: join(dir, 'none') })
  const details = wallsOf(out)
  assert.match(details.get('Wall: accounts on the bus') ?? '', /^note Nothing is installed/)
  assert.match(details.get('Wall: key files') ?? '', /^note Nothing is installed/)
})

test('doctor sees identities on the bus, and fails on a key folder that others may enter', async () => {
  const env = { TRUSTGW_STATE_DIR: join(dir, 'open') }
  assert.equal((await trustgw(['init'], env)).code, 0)
  const good = wallsOf((await trustgw(['doctor', '--json'], env)).out)
  assert.match(good.get('Wall: accounts on the bus') ?? '', /^ok /)
  assert.match(good.get('Wall: key files') ?? '', /^ok /)
  await writeFile(join(dir, 'open/bus/nats.conf'), 'no_auth_user: anybody\n')
  await chmod(join(dir, 'open/host'), 0o755)
  const bad = wallsOf((await trustgw(['doctor', '--json'], env)).out)
  assert.match(bad.get('Wall: accounts on the bus') ?? '', /^note .*lets in/)
  assert.match(bad.get('Wall: key files') ?? '', /^fail .*chmod 700 .*\/host$/)
})

test('production refuses the keys of development before anything is written', async () => {
  const env = { TRUSTGW_STATE_DIR: join(dir, 'development') }
  const made = await trustgw(['init'], { ...env, TRUSTGW_MODE: 'development' })
  assert.equal(made.code, 0, made.err)
  await rm(join(dir, 'development/trustgw.toml'))
  await rm(join(dir, 'development/gateway'), { recursive: true })
  const names = await readdir(join(dir, 'development'))
  const again = await trustgw(['init', '--json'], env)
  assert.equal(again.code, 1)
  assert.equal(JSON.parse(again.out).error.code, 'made_in_development')
  assert.match(again.out, /TRUSTGW_STATE_DIR/)
  assert.deepEqual(await readdir(join(dir, 'development')), names)
  const doctor = await trustgw(['doctor', '--json'], env)
  assert.equal(doctor.code, 1)
  assert.match(wallsOf(doctor.out).get('Mode') ?? '', /^fail .*made-in-development/)
})

/** `grade detail remedy` of each check by its name. */
function wallsOf(out: string): ReadonlyMap<string, string> {
  const { checks } = JSON.parse(out)
  const found = new Map<string, string>()
  for (const { name, grade, detail, remedy } of checks)
    found.set(name, `${grade} ${detail} ${remedy ?? ''}`.trim())
  return found
}
