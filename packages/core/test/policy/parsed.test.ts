import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compilePolicy,
  type Finding,
  type LayerName,
  type Policy,
  parsePolicy,
  printPolicy,
} from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'

interface ParsedCase {
  readonly name: string
  readonly layer: LayerName
  readonly text: string
  readonly policy: unknown
  readonly printed: string
  readonly fingerprint: string
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/parsed.json')) as {
  readonly cases: readonly ParsedCase[]
}

function parse(text: string, layer: LayerName): Policy {
  const parsed = parsePolicy(text, { file: 'policy.toml', layer })
  assert.ok(parsed.ok)
  return parsed.value
}

const asJson = (policy: Policy): unknown =>
  JSON.parse(
    JSON.stringify(policy, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    ),
  )

for (const { name, layer, text, policy, printed, fingerprint } of cases) {
  test(`${name}: the file says, prints and hashes what the vectors say`, () => {
    const read = parse(text, layer)
    assert.deepEqual(asJson(read), policy)
    assert.equal(printPolicy(read), printed)
    assert.deepEqual(parse(printed, layer), read)
    assert.equal(compilePolicy(read, sha256, { layer }).fingerprint, fingerprint)
  })
}

const findingsOf = (text: string, layer: LayerName = 'platform'): readonly Finding[] => {
  const parsed = parsePolicy(text, { file: 'policy.toml', layer })
  return parsed.ok ? [] : parsed.findings
}

const rule = (lines: string, id = 'r'): string =>
  `[[rules]]\nid = "${id}"\npriority = 1\neffect = "deny"\n${lines}\n`
const limit = (index: number, key: string): string =>
  `[[limits]]\nid = "l${index}"\nmatch.tool = ["x"]\nkey = ["${key}"]\nwindow = "1h"\nmax_count = 1\non_exceed = "deny"\n`
const many = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('')
const x = (count: number): string => 'x'.repeat(count)

/** What still loads, by how much of it there is; one more is refused with this. */
const BOUNDS: readonly (readonly [string, number, (count: number) => string, string])[] = [
  ['characters of an id', 64, (n) => rule('match.tool = ["x"]', x(n)), 'longer than 64 characters'],
  [
    'characters of a reason',
    300,
    (n) => rule(`match.tool = ["x"]\nreason = "${x(n)}"`),
    'longer than 300 characters',
  ],
  [
    'characters of a value',
    1_024,
    (n) => rule(`match.args."/a".eq = "${x(n)}"`),
    'longer than 1024 characters',
  ],
  [
    'characters of a glob',
    256,
    (n) => rule(`match.tool = ["${x(n)}"]`),
    'a glob has at most 256 characters',
  ],
  [
    'characters of a pattern',
    512,
    (n) => rule(`match.args."/a".regex = "${x(n)}"`),
    'longer than 512 characters',
  ],
  [
    'characters of a word',
    128,
    (n) => rule(`match.roles = ["${x(n)}"]`),
    'longer than 128 characters',
  ],
  [
    'characters of a key of an object',
    256,
    (n) => rule(`match.args."/a".keys_in = ["${x(n)}"]`),
    'longer than 256 characters',
  ],
  [
    'characters of a pointer',
    256,
    (n) => rule(`match.args."/${x(n - 1)}".eq = 1`),
    'longer than 256 characters',
  ],
  [
    'items of a list',
    1_000,
    (n) => rule(`match.roles = [${many(n, (index) => `"r${index}",`)}]`),
    'more than 1000 items',
  ],
  [
    'argument pointers, those of limits included',
    200,
    (n) =>
      rule(many(n - 1, (index) => `match.args."/${index}".eq = 1\n`)) + limit(0, 'args:/other'),
    'more than 200 different argument pointers',
  ],
  [
    'pointers under provenance',
    16,
    (n) => rule(many(n, (index) => `match.provenance."/${index}" = ["user"]\n`)),
    'more than 16 different pointers under provenance',
  ],
  [
    'time zones',
    16,
    (n) =>
      many(n, (index) =>
        rule(`match.time = { days = ["mon"], tz = "${ZONES[index]}" }`, `r${index}`),
      ),
    'more than 16 different time zones',
  ],
  ['limits', 64, (n) => many(n, (index) => limit(index, 'tenant')), 'more than 64 limits'],
  [
    'characters of a file',
    2_097_152,
    (n) => `#${x(n - 'version = 1\n'.length - 2)}\n`,
    'more than 2097152 characters',
  ],
]
const ZONES =
  'Vienna Berlin Paris Rome Madrid Lisbon London Dublin Oslo Sofia Minsk Riga Kyiv Malta Monaco Moscow Prague'
    .split(' ')
    .map((city) => `Europe/${city}`)

for (const [what, most, made, message] of BOUNDS) {
  test(`${most} ${what} load, one more is refused`, () => {
    assert.deepEqual(findingsOf(`version = 1\n${made(most)}`), [])
    const found = findingsOf(`version = 1\n${made(most + 1)}`)
    assert.deepEqual(
      found.map((finding) => finding.message),
      [message],
    )
  })
}

test('more than 20 000 rules are refused without a look at any', () => {
  const count = (rules: number): readonly Finding[] =>
    findingsOf(`version = 1\n${'[[rules]]\n'.repeat(rules)}`)
  assert.deepEqual(
    count(20_001).map(({ message }) => message),
    ['more than 20000 rules'],
  )
  assert.equal(count(20_000).length, 100)
})

test('what repeats counts once among pointers and zones', () => {
  const twice = many(150, (index) =>
    rule(
      'match.args."/a".eq = 1\nmatch.time = { days = ["mon"], tz = "UTC" }\nmatch.provenance."/p" = ["user"]',
      `r${index}`,
    ),
  )
  assert.deepEqual(findingsOf(`version = 1\n${twice}`), [])
})

test('a layer under the platform has no default effect to give', () => {
  const text = 'version = 1\n[defaults]\neffect = "deny"\n'
  for (const layer of ['tenant', 'workspace', 'agent'] as const) {
    assert.deepEqual(findingsOf(text, layer), [
      {
        file: 'policy.toml',
        line: 3,
        column: 10,
        key: 'defaults.effect',
        message: 'only the platform layer has a default',
      },
    ])
  }
  assert.deepEqual(findingsOf(text), [])
})

test('a time zone is a whole canonical name of the IANA database', () => {
  const isZone = (zone: string): boolean => {
    const text = rule(`match.time = { days = ["mon"], tz = "${zone}" }`)
    return findingsOf(`version = 1\n${text}`).length === 0
  }
  for (const zone of [
    'Africa/Abidjan',
    'America/Argentina/Salta',
    'America/Yakutat',
    'Antarctica/Vostok',
    'Arctic/Longyearbyen',
    'Asia/Yerevan',
    'Atlantic/Stanley',
    'Australia/Sydney',
    'Europe/Zurich',
    'Indian/Reunion',
    'Pacific/Wallis',
    'UTC',
  ]) {
    assert.ok(isZone(zone), zone)
  }
  for (const zone of ['', 'utc', 'Europe/', '/UTC', 'Arctic', 'Europe/Vienna ', 'CET', '+01:00']) {
    assert.ok(!isZone(zone), zone)
  }
})

test('what is refused as a whole says so at its first character', () => {
  assert.deepEqual(findingsOf(x(2_097_153)), [
    {
      file: 'policy.toml',
      line: 1,
      column: 1,
      key: '',
      message: 'more than 2097152 characters',
    },
  ])
})
