import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FIXTURES, golden, json, run, storedAction, toolContracts } from './policy-support.ts'

const DAY_MS = 86_400_000

describe('the outputs on a policy, on a wider one with a shadowed rule, and on one with typos', () => {
  const started = process.cwd()
  before(() => process.chdir(FIXTURES))
  after(() => process.chdir(started))

  test('check of a policy that is fine', () =>
    golden('check-refunds', 'policy', 'check', 'refunds.toml'))

  test('check names the shadowed rule, the conflict, the loose pattern and the foreign letter', () =>
    golden('check-wider', 'policy', 'check', 'wider.toml'))

  test('check shows each typo with its line and the nearest name', () =>
    golden('check-typo', 'policy', 'check', 'typo.toml'))

  test('check lists registered tools that no rule covers', () =>
    golden('check-tools', 'policy', 'check', 'refunds.toml', '--tools', 'tools.json'))

  test('test that passes names the rules that no test determines', () =>
    golden('test-refunds', 'policy', 'test', 'refunds.toml'))

  test('test that fails says what was expected and what came', () =>
    golden('test-wider', 'policy', 'test', 'refunds.tests.toml', '--policy', 'wider.toml'))

  test('explain shows every line with its value and the smallest change', () =>
    golden('explain-refund', 'policy', 'explain', 'refunds.toml', '--proposal', 'refund.json'))

  test('explain of layers names each layer and what is not available', () => {
    const layers = ['--tenant', 'tenant.toml', '--tools', 'tools.json']
    const proposal = ['--proposal', 'mail.json']
    return golden('explain-layers', 'policy', 'explain', 'refunds.toml', ...proposal, ...layers)
  })

  test('explain of a call without an amount says which argument to add', () => {
    const given = ['--proposal', 'no-amount.json', '--tools', 'tools.json']
    return golden('explain-added', 'policy', 'explain', 'refunds.toml', ...given)
  })

  test('explain --safe tells what the agent would be told', () =>
    golden(
      'explain-safe',
      'policy',
      'explain',
      'refunds.toml',
      '--proposal',
      'refund.json',
      '--safe',
    ))

  test('explain with a policy that does not load', () =>
    golden('explain-typo', 'policy', 'explain', 'typo.toml', '--proposal', 'refund.json'))

  test('diff shows the deliberate widening with the smallest amount', () =>
    golden('diff-wider', 'policy', 'diff', 'refunds.toml', 'wider.toml'))

  test('diff the other way is narrower', () =>
    golden('diff-narrower', 'policy', 'diff', 'wider.toml', 'refunds.toml'))

  test('diff of a policy with itself', () =>
    golden('diff-same', 'policy', 'diff', 'refunds.toml', 'refunds.toml'))
})

describe('replay of recorded actions', () => {
  const started = process.cwd()
  let dir = ''
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tg-replay-'))
    process.chdir(FIXTURES)
    const [read, refund, mail, files] = await toolContracts()
    assert.ok(read && refund && mail && files)
    const eur = (amount: string) => ({ order_id: 'o', amount, currency: 'EUR' })
    const later = { ...refund, description: 'Described otherwise since' }
    const lines = await Promise.all([
      storedAction('refunds.toml', { n: 1, tool: read, args: {}, ageMs: DAY_MS }),
      storedAction('refunds.toml', { n: 2, tool: refund, args: eur('20.00'), ageMs: DAY_MS }),
      storedAction('refunds.toml', { n: 3, tool: refund, args: eur('60.00'), ageMs: DAY_MS }),
      storedAction('refunds.toml', { n: 4, tool: later, args: eur('70.00'), ageMs: 2 * DAY_MS }),
      storedAction('refunds.toml', { n: 5, tool: refund, args: eur('65.00'), ageMs: 40 * DAY_MS }),
      storedAction('refunds.toml', {
        n: 6,
        tool: files,
        args: { path: '/a' },
        ageMs: DAY_MS,
        agent: 'night-bot',
      }),
      storedAction('refunds.toml', {
        n: 7,
        tool: mail,
        args: { to: 'ann@example.com', attachments: [] },
        ageMs: DAY_MS,
      }),
    ])
    const refunds = lines.map((line) => `${line}\n`).join('')
    await writeFile(join(dir, 'actions.ndjson'), `${refunds}{"v":1}\n\n`)
    for (const name of ['wider.toml', 'refunds.toml', 'tagged.toml', 'tools.json']) {
      await copyFile(name, join(dir, name))
    }
  })
  after(async () => {
    process.chdir(started)
    await rm(dir, { recursive: true })
  })

  const replayed = (policy: string, ...rest: readonly string[]) =>
    run('policy', 'replay', policy, '--from', join(dir, 'actions.ndjson'), ...rest)

  /** Where the actions are, so that no path of this run is part of what is printed. */
  const goldenThere = async (name: string, ...words: readonly string[]): Promise<void> => {
    process.chdir(dir)
    try {
      await golden(name, 'policy', 'replay', ...words)
    } finally {
      process.chdir(FIXTURES)
    }
  }

  test('replay under a wider policy shows each flip, the changed contract and what is unreadable', () =>
    goldenThere('replay-wider', 'wider.toml', '--from', 'actions.ndjson', '--tools', 'tools.json'))

  test('replay under the policy of the records shows no flip', () =>
    goldenThere(
      'replay-same',
      'refunds.toml',
      '--from',
      'actions.ndjson',
      '--tools',
      'tools.json',
      '--since',
      'all',
    ))

  test('replay without contracts says which fact nobody recorded', () =>
    goldenThere('replay-bare', 'tagged.toml', '--from', 'actions.ndjson'))

  test('lists every flip, wider ones first, by age', async () => {
    const { code, out } = await replayed('wider.toml', '--tools', 'tools.json')
    assert.equal(code, 1)
    assert.match(out, /wider\.toml: 6 recorded actions of the last 30d decided again/)
    const wider = out.slice(out.indexOf('Wider: 3'))
    assert.match(
      wider,
      /shop\.refund  +require_approval, tier 2 by "refund-large" → allow by "refund-small"\n/,
    )
    assert.match(wider, /→ allow by "refund-small" +contract changed/)
    assert.match(wider, /files\.delete {2}deny by default → allow by "night-bot"/)
    assert.doesNotMatch(out, /Narrower/, 'mail inside is looked at before the quarantine')
    assert.match(out, /1 decided with a contract that has changed since/)
    assert.match(out, /1 cannot be decided again: unreadable: /)
  })

  test('JSON has each flip with tool, contract and both decisions', async () => {
    const { code, out } = await replayed(
      'wider.toml',
      '--tools',
      'tools.json',
      '--json',
      '--since',
      'all',
    )
    assert.equal(code, 1)
    const { flips, decided, wider, narrower, undecidable } = json(out) as {
      readonly [name: string]: unknown
    }
    assert.deepEqual([decided, wider, narrower], [7, 4, 0])
    assert.equal((undecidable as readonly unknown[]).length, 1)
    const [first] = flips as readonly Record<string, unknown>[]
    assert.deepEqual(
      [first?.['tool'], first?.['direction'], first?.['contract'], first?.['uncertain']],
      ['shop.refund', 'wider', 'same', []],
    )
  })

  test('what was read is saved for another time, in a file that is new and private', async () => {
    const file = join(dir, 'saved.ndjson')
    const first = await replayed('wider.toml', '--tools', 'tools.json', '--json', '--save', file)
    assert.equal((await stat(file)).mode & 0o077, 0)
    const words = ['policy', 'replay', 'wider.toml', '--tools', 'tools.json', '--json']
    const again = await run(...words, '--from', file)
    assert.deepEqual(json(again.out)['flips'], json(first.out)['flips'])
    assert.equal((await replayed('wider.toml', '--save', file)).code, 2)
  })

  test('a stored action is explained as it was decided', async () => {
    const actions = await readFile(join(dir, 'actions.ndjson'), 'utf8')
    const refund = actions.split('\n')[2] ?? ''
    await writeFile(join(dir, 'action.json'), refund)
    const words = ['policy', 'explain', 'refunds.toml', '--proposal', join(dir, 'action.json')]
    const whole = await run(...words, '--tools', 'tools.json')
    assert.match(whole.out, /^shop\.refund: require_approval, tier 2 by "refund-large"/)
    assert.match(whole.out, /It would be allowed if \/amount were "50\.00"/)
    const tagged = ['policy', 'explain', 'tagged.toml', '--proposal', join(dir, 'action.json')]
    const bare = await run(...tagged)
    assert.deepEqual([bare.code, /does not hold tags: give the contract/.test(bare.err)], [2, true])
    const both = await run(...words, '--action', 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa')
    assert.equal(both.code, 2)
  })

  test('the policy of the records differs in nothing, and without contracts it says what it lacks', async () => {
    const same = await replayed('refunds.toml', '--tools', 'tools.json')
    assert.equal(same.code, 0)
    assert.match(same.out, /No decision differs/)
    const bare = await replayed('tagged.toml')
    assert.match(bare.out, /cannot be decided again: fact_not_recorded: tags/)
  })

  test('a file that holds no actions, a wrong age and two files too many are wrong usage', async () => {
    const none = await run('policy', 'replay', 'wider.toml', '--from', 'refund.json')
    assert.deepEqual([none.code, /refund\.json:1 is not an action/.test(none.err)], [2, true])
    for (const since of ['30', '0d', 'x', '-3d', '3y'])
      assert.equal((await replayed('wider.toml', `--since=${since}`)).code, 2, since)
    assert.equal((await replayed('wider.toml', 'refunds.toml')).code, 2)
    const nowhere = await run('policy', 'replay', 'wider.toml')
    assert.deepEqual([nowhere.code, /no installation/.test(nowhere.err)], [2, true])
  })
})
