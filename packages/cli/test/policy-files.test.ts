import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readSettings, type Settings } from '@trustgw/runtime'
import {
  PolicyFilesFault,
  policyFindings,
  policyMark,
  readPolicyFiles,
} from '../src/policy/policy-files.ts'

const EMPTY = 'version = 1\n'

async function installation(
  t: TestContext,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<Settings> {
  const dir = await mkdtemp(join(tmpdir(), 'trustgw-files-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true })
    await writeFile(join(dir, name), content)
  }
  const read = readSettings({ env: { TRUSTGW_STATE_DIR: dir }, baseDir: dir, toml: undefined })
  assert.ok(read.ok)
  return read.settings
}

const refused = (settings: Settings, what: RegExp): Promise<void> =>
  assert.rejects(
    () => readPolicyFiles(settings),
    (error: unknown) => error instanceof PolicyFilesFault && what.test(error.message),
  )

test('layers are found by their place, the platform first', async (t) => {
  const settings = await installation(t, {
    'policy.toml': EMPTY,
    'policy/tenant.toml': EMPTY,
    'policy/workspaces/lab.toml': EMPTY,
    'policy/agents/support-bot.toml': EMPTY,
    'policy/agents/.support-bot.toml.swp': 'an editor at work',
    'policy/tenant.toml~': 'a backup',
  })
  const found = (await readPolicyFiles(settings)).map((one) => [one.layer, one.scope, one.file])
  assert.deepEqual(found, [
    ['platform', null, 'policy.toml'],
    ['tenant', null, 'policy/tenant.toml'],
    ['workspace', 'lab', 'policy/workspaces/lab.toml'],
    ['agent', 'support-bot', 'policy/agents/support-bot.toml'],
  ])
})

test('a file that no layer takes is refused, not left out', async (t) => {
  await refused(
    await installation(t, { 'policy.toml': EMPTY, 'policy/tenants.toml': EMPTY }),
    /tenants\.toml is of no layer/,
  )
  await refused(
    await installation(t, { 'policy.toml': EMPTY, 'policy/workspace/lab.toml': EMPTY }),
    /workspace is of no layer/,
  )
  await refused(
    await installation(t, { 'policy.toml': EMPTY, 'policy/agents/bot.tml': EMPTY }),
    /bot\.tml is of no agent/,
  )
  await refused(
    await installation(t, { 'policy.toml': EMPTY, 'policy/agents/a bot.toml': EMPTY }),
    /is of no agent/,
  )
})

test('a policy that is missing, a folder, or no text is refused by name', async (t) => {
  await refused(await installation(t, {}), /policy\.toml cannot be read \(ENOENT\)/)
  await refused(
    await installation(t, { 'policy.toml/x': EMPTY }),
    /policy\.toml cannot be read \(EISDIR\)/,
  )
  await refused(
    await installation(t, { 'policy.toml': Uint8Array.of(0xff, 0xfe) }),
    /policy\.toml cannot be read/,
  )
  await refused(await installation(t, { 'policy.toml': ' '.repeat(9 * 1024 * 1024) }), /too long/)
})

test("a default that permits is refused unless development asks for it, in every layer a default but the platform's", async (t) => {
  const settings = await installation(t, {
    'policy.toml': `${EMPTY}[defaults]\neffect = "allow"\n`,
    'policy/tenant.toml': `${EMPTY}[defaults]\neffect = "deny"\n`,
  })
  const files = await readPolicyFiles(settings)
  assert.deepEqual(
    policyFindings(files, false).map(({ file }) => file),
    ['policy.toml', 'policy/tenant.toml'],
  )
  assert.deepEqual(
    policyFindings(files, true).map(({ file }) => file),
    ['policy/tenant.toml'],
  )
})

test("the mark changes with a file's content, its coming and its going", async (t) => {
  const settings = await installation(t, { 'policy.toml': EMPTY })
  const first = await policyMark(settings)
  assert.equal(await policyMark(settings), first)
  await writeFile(settings.policy.file, `${EMPTY}# more\n`)
  const second = await policyMark(settings)
  assert.notEqual(second, first)
  await mkdir(settings.policy.layers_dir)
  await writeFile(join(settings.policy.layers_dir, 'tenant.toml'), EMPTY)
  const third = await policyMark(settings)
  assert.notEqual(third, second)
  await rm(join(settings.policy.layers_dir, 'tenant.toml'))
  assert.equal(await policyMark(settings), second)
})
