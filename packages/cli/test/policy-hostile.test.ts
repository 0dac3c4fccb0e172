import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FIXTURES, json, type Ran, run } from './policy-support.ts'

// dist/test/ → packages/cli/dist
const MAIN = fileURLToPath(new URL('../../bin/trustgw.mjs', import.meta.url))
const HEAD = 'version = 1\n'
const RULE = '[[rules]]\nid = "r"\npriority = 1\neffect = "allow"\n'
const MANY = 20_001

let dir = ''
const started = process.cwd()
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tg-hostile-'))
  process.chdir(dir)
})
after(async () => {
  process.chdir(started)
  await rm(dir, { recursive: true })
})

async function check(text: string | Uint8Array, ...rest: readonly string[]): Promise<Ran> {
  await writeFile('p.toml', text)
  return run('policy', 'check', 'p.toml', ...rest)
}

/** One rule for each number, over one of forty groups of tools. */
function rules(count: number): string {
  const all = Array.from(
    { length: count },
    (_, n) =>
      `[[rules]]\nid = "r${n}"\npriority = ${n}\neffect = "deny"\nmatch = { tool = ["n${n % 40}.*"] }\n`,
  )
  return HEAD + all.join('')
}

describe('policies that nobody means well with are findings', () => {
  const cases: readonly (readonly [string, () => string, RegExp])[] = [
    ['three MiB', () => `${HEAD}#${'x'.repeat(3_145_728)}`, /more than 2097152 characters/],
    ['20 001 rules', () => rules(MANY), /more than 20000 rules/],
    ['dotted keys 20 000 deep', () => `${HEAD}a${'.a'.repeat(MANY)} = 1\n`, /"a" is not a key/],
    ['lists 20 000 deep', () => `${HEAD}a = ${'['.repeat(MANY)}`, /p\.toml:2:/],
    ['prototype keys', () => `${HEAD}[__proto__]\nx = 1\n`, /unsafe property/],
    ['prototype names', () => `${HEAD}[toString]\nvalueOf = 1\n`, /"toString" is not a key/],
    ['control characters', () => `${HEAD}\u0000\u001B[2J = 1\n`, /p\.toml:2:1/],
    [
      'two million empty lines',
      () => `${HEAD}${'\n'.repeat(2_000_000)}x = 1\n`,
      /p\.toml:2000002:1/,
    ],
    ['nothing', () => '', /"version" is missing/],
    [
      'a pattern that backtracks',
      () => `${HEAD}${RULE}match = { args = { "/a" = { regex = '(?=x)y' } } }\n`,
      /not RE2/,
    ],
    [
      'a pattern of a million states',
      () =>
        `${HEAD}${RULE}match = { args = { "/a" = { regex = '((a{1,100}){1,100}){1,100}' } } }\n`,
      /not RE2|too large|regex/i,
    ],
  ]
  for (const [name, text, message] of cases) {
    test(name, async () => {
      const { code, out, err } = await check(text())
      assert.deepEqual([code, err], [1, ''])
      assert.match(out, message)
      assert.ok(out.length < 100_000)
      assert.doesNotMatch(out.replaceAll('\n', ''), /\p{Cc}/u)
      assert.doesNotMatch(out, /^ {4}at /m, 'no stack trace')
    })
  }

  test('a key that hides its direction is written out, and every finding points into its line', async () => {
    const { out } = await check(`${HEAD}\t"\u202Eevil" = 1\n${'y'.repeat(500)} = 2\n`)
    assert.match(out, /⟦U\+202E⟧evil/)
    const carets = out.split('\n').filter((line) => line.includes('^'))
    assert.equal(carets.length, 2)
    for (const line of out.split('\n')) assert.ok(line.length < 400, String(line.length))
  })
})

describe('what cannot be read is wrong usage', () => {
  test('a folder, a binary file, an endless file, none at all, and nothing named', async () => {
    await writeFile(
      'bin.toml',
      Uint8Array.from({ length: 4_096 }, (_, n) => n % 256),
    )
    await mkdir('folder.toml')
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['check', 'folder.toml'], /it is a folder/],
      [['check', 'bin.toml'], /is not UTF-8 text/],
      [['check', '/dev/zero'], /more than 8388608 bytes/],
      [['check', 'nowhere.toml'], /there is no such file/],
      [['check'], /which files\?/],
      [['check', 'x.toml', '--layer', 'galaxy'], /--layer is one of platform, tenant/],
      [['test', 'nowhere.toml'], /there is no nowhere\.tests\.toml beside/],
      [['test', 'folder.toml'], /holds no file named NAME\.tests\.toml/],
      [['test'], /which folder or file\?/],
      [['diff', 'a.toml'], /NEW is missing/],
      [['diff', 'a', 'b', 'c'], /"c" is one too many/],
      [['explain', 'a.toml'], /--proposal is missing/],
      [['replay', 'nowhere.toml'], /there is no such file/],
    ]
    for (const [words, message] of cases) {
      const text = await run('policy', ...words)
      assert.deepEqual([text.code, text.out], [2, ''], words.join(' '))
      assert.match(text.err, message)
      const asJson = await run('policy', ...words, '--json')
      assert.equal(asJson.code, 2)
      assert.match(String(json(asJson.out)['error']?.['message']), message)
    }
  })

  test('a policy refused where it is needed whole is shown in full', async () => {
    await writeFile('bad.toml', `${HEAD}opertion = 1\n`)
    await writeFile('good.toml', HEAD)
    for (const words of [
      ['diff', 'good.toml', 'bad.toml'],
      ['replay', 'bad.toml', '--from', 'good.toml'],
      ['explain', 'good.toml', '--tenant', 'bad.toml', '--proposal', 'good.toml'],
    ]) {
      const { code, err } = await run('policy', ...words)
      assert.equal(code, 2)
      assert.match(err, /bad\.toml:2:1/)
    }
  })
})

describe('proposals are read strictly', () => {
  const explain = async (proposal: string, ...rest: readonly string[]): Promise<Ran> => {
    await writeFile('ok.toml', HEAD)
    await writeFile('p.json', proposal)
    return run('policy', 'explain', 'ok.toml', '--proposal', 'p.json', ...rest)
  }

  test('each mistake is named with its pointer', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['{"tool":"a.b","opertion":"read"}', /p\.json at \/opertion: .*did you mean "operation"/],
      ['{"tool":"a.b","tool":"c.d"}', /p\.json:1:15\b[^]*\^/],
      ['{"tool":"a.b","time":"soon"}', /p\.json at \/time: expected a time/],
      ['{"tool":"a.b","time":"2026-02-31T25:00:00Z"}', /at \/time/],
      ['{"args":{}}', /at \/tool: a proposal names its tool/],
      ['[]', /p\.json: expected an object/],
      ['{"proposal":{},"decision":{}}', /not an action as it is stored/],
      ['['.repeat(100_000), /p\.json:1:81/],
      ['{\n  nonsense', /p\.json:2:3/],
    ]
    for (const [text, message] of cases) {
      const { code, err } = await explain(text)
      assert.equal(code, 2, text)
      assert.match(err, message)
    }
  })

  test('tools that are no contracts are refused', async () => {
    for (const text of ['{}', '[{}]', '{"tools":[{"id":"a"}]}', 'x', '3']) {
      await writeFile('tools.json', text)
      const { code, err } = await explain('{"tool":"a.b"}', '--tools', 'tools.json')
      assert.equal(code, 2, text)
      assert.match(err, /tools\.json:/)
    }
  })
})

describe('tests are found and filtered', () => {
  test('a folder with several policies, one of them below', async () => {
    await mkdir('packs/inner', { recursive: true })
    const tests = `${HEAD}[[tests]]\nname = "denied"\ntool = "a.b"\nexpect = { effect = "deny" }\n`
    for (const name of ['packs/one', 'packs/inner/two']) {
      await writeFile(`${name}.toml`, HEAD)
      await writeFile(`${name}.test.toml`, tests)
    }
    const { code, out } = await run('policy', 'test', 'packs', '--json')
    assert.equal(code, 0)
    const { passed, policies } = json(out) as Record<string, unknown>
    assert.equal(passed, 2)
    const files = (policies as readonly { readonly file: string }[]).map(({ file }) => file)
    assert.deepEqual(files, ['packs/inner/two.toml', 'packs/one.toml'])
    assert.equal((await run('policy', 'test', 'packs', '--filter', 'denied')).code, 0)
    assert.equal((await run('policy', 'test', 'packs', '--filter', 'nothing')).code, 2)
  })

  test('tests that do not load are shown with their place', async () => {
    await writeFile('t.toml', HEAD)
    await writeFile(
      't.test.toml',
      `${HEAD}[[tests]]\nname = "x"\nrolls = ["a"]\nexpect = { effect = "deny" }\n`,
    )
    const { code, err } = await run('policy', 'test', 't.toml')
    assert.equal(code, 2)
    assert.match(err, /t\.test\.toml:4:1[^]*did you mean "roles"/)
  })
})

test('strict makes notes fail, development loads a policy that allows by default', async () => {
  const tools = join(FIXTURES, 'tools.json')
  const open = `${HEAD}[defaults]\neffect = "allow"\n`
  assert.equal((await check(HEAD, '--tools', tools)).code, 0)
  assert.equal((await check(HEAD, '--tools', tools, '--strict')).code, 1)
  assert.match((await check(open)).out, /error\[refused\]/)
  const lets = await check(open, '--tools', tools, '--development')
  assert.equal(lets.code, 1)
  assert.match(lets.out, /warning\[uncovered_tool\].*the default lets it through/)
})

test('many findings of one kind are shortened, and JSON has all of them', async () => {
  const text = rules(200)
  const { out } = await check(text)
  assert.match(out, /warning\[shadowed\]: 135 more of these; --json lists all/)
  const { findings } = json((await check(text, '--json')).out) as Record<string, unknown>
  assert.equal((findings as readonly unknown[]).length, 160)
})

test('a policy is read from the standard input', async () => {
  const child = spawn(process.execPath, [MAIN, 'policy', 'check', '-'], {
    cwd: dir,
    env: { PATH: process.env['PATH'] },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
  child.stdin.end(`${HEAD}opertion = 1\n`)
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 1)
  assert.match(out, /<stdin>:2:1/)
})
