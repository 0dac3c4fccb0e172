import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'

/**
 * The start script runs before anything is built, so it is tried as it runs: in a process of its
 * own. `apt-get` and `dpkg-deb` are stand-ins that record what they were asked; the real ones need
 * the network.
 */
const script = new URL('../../../../scripts/lib/nats-server.mjs', import.meta.url).href
const root = mkdtempSync(path.join(tmpdir(), 'tg-fetch-'))
after(() => rmSync(root, { recursive: true, force: true }))
const bin = path.join(root, 'bin')
const apt = path.join(root, 'apt')
const cache = path.join(root, 'cache')
for (const dir of [bin, path.join(apt, 'sources.list.d')]) mkdirSync(dir, { recursive: true })
const installed = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'].some((dir) =>
  existsSync(path.join(dir, 'nats-server')),
)
const skip = installed ? 'nats-server is installed on this machine' : false

function tool(name: string, text: string): void {
  writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`)
  chmodSync(path.join(bin, name), 0o755)
}

function run(code: string, env: Readonly<Record<string, string>> = {}): unknown {
  const made = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `import * as lib from '${script}'\n${code}`],
    { encoding: 'utf8', env: { PATH: bin, ...env }, cwd: root },
  )
  assert.equal(made.status, 0, made.stderr)
  return JSON.parse(made.stdout)
}

const ensure = (env: Readonly<Record<string, string>> = {}): unknown =>
  run(
    `let out
    try { out = lib.ensureNatsServer({ cacheDir: '${cache}', aptRoot: '${apt}', env: process.env }) }
    catch (error) { out = { code: error.code, message: error.message } }
    console.log(JSON.stringify(out))`,
    env,
  )

const server = (version: string): string =>
  `printf '#!/bin/sh\\necho "nats-server: v${version}"\\n'`
const STAND_IN_APT = `
for last; do :; done
case " $* " in *" update "*) parts=$(printf '%s\\n' "$@" | sed -n 's/^Dir::Etc::sourceparts=//p'); cat "$parts/one.sources" >> "$LOG";; esac
[ "$last" = nats-server ] && : > nats-server_2_all.deb
exit 0`
const standIns = (version: string): void => {
  tool('apt-get', STAND_IN_APT)
  tool(
    'dpkg-deb',
    `[ "$1" = --version ] && exit 0\nmkdir -p "$3/usr/sbin"\n${server(version)} > "$3/usr/sbin/nats-server"`,
  )
  for (const name of ['mkdir', 'cat', 'sed', 'sh', 'id']) tool(name, `exec /bin/${name} "$@"`)
}

function expectFault(outcome: unknown, code: string, text: RegExp): void {
  assert.ok(typeof outcome === 'object' && outcome !== null)
  assert.ok('code' in outcome && 'message' in outcome, JSON.stringify(outcome))
  assert.equal(outcome.code, code)
  assert.match(String(outcome.message), text)
}

test('sources of both formats are read, the unusable left out and ways around the signature dropped', () => {
  const deb822 = [
    '# comment\nTypes: deb deb-src\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates',
    'Components: main\nSigned-By: /k.gpg\nTrusted: yes\n\nEnabled: no\nTypes: deb\nURIs: http://b',
    'Suites: bookworm\n\nTypes: deb-src\nURIs: http://c\nSuites: bookworm\n\nTypes: deb',
    'URIs: cdrom:d\nSuites: bookworm\n\nTypes: deb\nURIs: http://e.example/\nSuites: sid',
    'Signed-By:\n -----BEGIN PGP-----\n .\n abc\n -----END PGP-----\n',
  ].join('\n')
  const lines = [
    'deb [arch=amd64 signed-by=/k.gpg trusted=yes] http://f.example/debian bookworm main # x',
    '# deb http://g bookworm main',
    'deb-src http://h bookworm main',
    'deb http://i.example/debian trixie main contrib',
  ].join('\n')
  const read = run(
    `console.log(JSON.stringify([lib.parseDeb822(${JSON.stringify(deb822)}),
      lib.parseOneLine(${JSON.stringify(lines)})]))`,
  )
  assert.deepEqual(read, [
    [
      {
        uris: ['http://a.example/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        signedBy: '/k.gpg',
      },
      {
        uris: ['http://e.example/'],
        suites: ['sid'],
        signedBy: '\n -----BEGIN PGP-----\n .\n abc\n -----END PGP-----\n',
      },
    ],
    [
      { uris: ['http://f.example/debian'], suites: ['bookworm'], signedBy: '/k.gpg' },
      { uris: ['http://i.example/debian'], suites: ['trixie'] },
    ],
  ])
})

test('a fetched server comes from the same mirror and key with a newer suite, and is cached', {
  skip,
}, () => {
  standIns('2.15.1')
  writeFileSync(
    path.join(apt, 'sources.list'),
    'deb [trusted=yes signed-by=/k.gpg] http://m.example/debian bookworm main\n',
  )
  const log = path.join(root, 'log')
  const binary = path.join(cache, 'nats-server')
  assert.deepEqual(ensure({ LOG: log }), { binary, version: '2.15.1', from: 'fetched' })
  const source = spawnSync('cat', [log], { encoding: 'utf8' }).stdout
  assert.equal(
    source,
    'Types: deb\nURIs: http://m.example/debian\nSuites: forky\nComponents: main\nSigned-By: /k.gpg\n',
  )
  tool('apt-get', 'exit 1')
  assert.deepEqual(ensure(), { binary, version: '2.15.1', from: 'cache' })
  rmSync(cache, { recursive: true })
})

test('what cannot be fetched, is too old or is not there ends in one error that lists the ways', {
  skip,
}, () => {
  const ways = /NATS_SERVER=.*\n.*package manager.*\n.*container/
  standIns('2.10.27')
  expectFault(
    ensure({ LOG: path.join(root, 'log') }),
    'fetch_failed',
    /2\.10\.27, older than 2\.11/,
  )
  expectFault(ensure({ LOG: path.join(root, 'log') }), 'fetch_failed', ways)
  assert.equal(existsSync(path.join(cache, 'nats-server')), false)
  tool('apt-get', '[ "$1" = --version ] && exit 0; echo "E: not signed." >&2; exit 100')
  expectFault(ensure(), 'fetch_failed', /forky: apt-get: E: not signed\./)
  writeFileSync(path.join(apt, 'sources.list'), 'deb http://u.example/ubuntu noble main\n')
  expectFault(ensure(), 'not_found', /no Debian package source/)
  rmSync(path.join(bin, 'apt-get'))
  expectFault(ensure(), 'not_found', /no apt-get to fetch it with/)
  expectFault(ensure(), 'not_found', ways)
})

test('a named server that is old or false is an error of its own, and a recent one is taken as it is', () => {
  tool('old-nats', 'echo "nats-server: v2.9.10"')
  tool('new-nats', 'echo "nats-server: v2.11.0"')
  const old = path.join(bin, 'old-nats')
  const recent = path.join(bin, 'new-nats')
  assert.deepEqual(ensure({ NATS_SERVER: recent }), {
    binary: recent,
    version: '2.11.0',
    from: 'env',
  })
  assert.match(JSON.stringify(ensure({ NATS_SERVER: old })), /too_old.*2\.9\.10.*upgrade it/)
  assert.match(JSON.stringify(ensure({ NATS_SERVER: '/bin/true' })), /not a runnable nats-server/)
})
