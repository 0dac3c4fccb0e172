import assert from 'node:assert/strict'
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Credentials } from '../src/connectors/credentials.ts'
import { readManifest } from '../src/connectors/load-manifests.ts'
import { formatProblem, loadManifests } from '../src/index.ts'
import { readOwnFiles } from '../src/read-files.ts'
import { ROOT, tempDir } from './support/connectors.ts'

const STDIO = `version = 1
kind = "stdio"
id = "files"
title = "Files"
description = "Files"
credential = "none"
package = "@modelcontextprotocol/server-filesystem"
args = ["{state_dir}/files"]
era = "legacy"

[tools.read_text_file]
operation = "read"
`

function problemOf(edit: (text: string) => string): string {
  const read = readManifest('connectors/files.toml', edit(STDIO))
  return read.ok ? 'fine' : formatProblem(read.problem)
}

test('a manifest is read', () => {
  assert.equal(
    problemOf((text) => text),
    'fine',
  )
})

test('a typo names file, line, key and the nearest valid name', () => {
  assert.equal(
    problemOf((text) => text.replace('operation', 'opration')),
    'connectors/files.toml:12: tools.read_text_file.opration: unknown key, did you mean "operation"?',
  )
  assert.equal(
    problemOf((text) => text.replace('credential', 'credentials')),
    'connectors/files.toml:6: credentials: unknown key, did you mean "credential"?',
  )
  assert.equal(
    problemOf((text) => text.replace('era =', 'eras = "x"\nera =')),
    'connectors/files.toml:9: eras: unknown key, did you mean "era"?',
  )
})

test('a key that is missing is named', () => {
  assert.equal(
    problemOf((text) => text.replace('title = "Files"\n', '')),
    'connectors/files.toml: title: is missing',
  )
})

test('what is not TOML, not a known value or contradictory is refused with its key', () => {
  assert.match(
    problemOf((text) => text.replace('"stdio"', 'stdio')),
    /^connectors\/files\.toml:2: not TOML/,
  )
  assert.match(
    problemOf((text) => text.replace('"read"', '"reed"')),
    /:12: .*operation: is not an allowed value/,
  )
  assert.match(
    problemOf((text) => text.replace('"legacy"', '"modern"')),
    /era: is not an allowed value/,
  )
  assert.match(
    problemOf((text) => text.replace('package', '#')),
    /package: give either package or command/,
  )
  assert.match(
    problemOf((text) => text.replace('{state_dir}', '{home}')),
    /args\.0: is not an allowed value/,
  )
  assert.match(
    problemOf((text) =>
      text.replace('package = "@modelcontextprotocol/server-filesystem"', 'command = ["node"]'),
    ),
    /command: its first part is not an absolute path/,
  )
  assert.match(
    problemOf((text) => `${text}[env]\nNODE_OPTIONS = "--x"\n`),
    /env\.NODE_OPTIONS: is not allowed/,
  )
  assert.match(
    problemOf((text) => text.replace('version = 1', 'version = 1979-05-27')),
    /a value that is not/,
  )
})

test('an HTTP connector speaks TLS, or to this machine, and asks only by key', () => {
  const http = (url: string, path = '/by/{idempotency_key}'): string => {
    const read = readManifest(
      'shop.toml',
      `version = 1
kind = "http"
id = "shop"
title = "Shop"
description = ""
credential = "none"
base_url = "${url}"
[tools.pay]
title = "Pay"
description = ""
method = "POST"
path = "/pay"
idempotency_header = "Idempotency-Key"
reconcile = { path = "${path}", not_found = "final" }
input_schema = { type = "object" }
`,
    )
    return read.ok ? 'fine' : read.problem.key
  }
  for (const url of ['https://shop.example', 'http://127.0.0.1:8080', 'http://[::1]:1']) {
    assert.equal(http(url), 'fine', url)
  }
  for (const url of [
    'http://shop.example',
    'https://a:b@shop.example',
    'https://x.example/v1?a',
    'ftp://x',
  ]) {
    assert.equal(http(url), 'base_url', url)
  }
  assert.equal(http('https://x.example', '/by/key'), 'tools.pay.reconcile.path')
})

test('the example manifests load together, and two files of one id do not', async () => {
  const examples = await loadManifests(join(ROOT, 'examples/connectors'))
  assert.ok(examples.ok)
  assert.deepEqual(
    examples.manifests.map(({ id }) => id),
    ['files', 'memory', 'shop'],
  )
  const dir = await tempDir()
  for (const name of ['a', 'b']) {
    await copyFile(join(ROOT, 'examples/connectors/files.toml'), join(dir.path, `${name}.toml`))
  }
  const twins = await loadManifests(dir.path)
  assert.ok(!twins.ok && twins.problems[0]?.key === 'id')
  await dir.remove()
})

test('credentials that others may read are refused, and never quoted', async () => {
  const dir = await tempDir()
  const path = join(dir.path, 'credentials.toml')
  await writeFile(
    path,
    '[credentials.shop]\nsecret = "very-secret-value"\nallow = [{}]\nversion = 2',
    { mode: 0o600 },
  )
  const wrong = await Credentials.load(path)
  assert.ok(!wrong.ok && !JSON.stringify(wrong).includes('very-secret'))
  await chmod(path, 0o640)
  const exposed = await Credentials.load(path)
  assert.ok(!exposed.ok && exposed.problem.problem.includes('chmod 600'))
  const none = await Credentials.load(join(dir.path, 'absent.toml'))
  assert.ok(none.ok && none.value.has('none') && !none.value.has('shop'))
  await dir.remove()
})

test('a credential is for the principals on its list, every part of them', () => {
  const read = Credentials.parse(
    'credentials.toml',
    `version = 1
[credentials.shop]
secret = "very-secret-value"
allow = [{ tenant = "demo", issuer = "api-key", client = "*", subject = "bot" }]
`,
  )
  assert.ok(read.ok)
  const principal = { tenant: 'demo' as never, issuer: 'api-key', client: 'k', subject: 'bot' }
  assert.ok(read.value.allows('shop', principal))
  assert.ok(!read.value.allows('shop', { ...principal, subject: 'other' }))
  assert.ok(!read.value.allows('shop', { ...principal, tenant: 'other' as never }))
  assert.ok(!read.value.allows('unknown', principal))
  assert.ok(!read.value.allows('constructor', principal))
  assert.ok(!JSON.stringify({ credentials: read.value }).includes('very-secret'))
})

test('floors are read from executor.toml, and a typo there stops the start', async () => {
  const dir = await tempDir()
  const executor = join(dir.path, 'executor')
  await mkdir(executor)
  const connectors = join(ROOT, 'examples/connectors')
  assert.equal((await readOwnFiles(connectors, executor)).floors.size, 0)
  await writeFile(join(executor, 'executor.toml'), 'version = 1\n[floors]\n"shop.refund" = 2\n')
  assert.equal((await readOwnFiles(connectors, executor)).floors.get('shop.refund'), 2)
  await writeFile(join(executor, 'executor.toml'), 'version = 1\n[flors]\n"shop.refund" = 2\n')
  await assert.rejects(readOwnFiles(connectors, executor), { code: 'floors_refused' })
  await dir.remove()
})
