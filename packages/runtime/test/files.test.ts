import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseTenantId } from '@trustgw/protocol'
import {
  atomicWriteFile,
  createSigningKeyFile,
  FileFault,
  type FileFaultCode,
  generateSigningKey,
  isSealedKeyFile,
  keyIdOf,
  loadSigningKey,
  PublicKeys,
  readPassphrase,
  readSecretFile,
  SyncedAppender,
  sealKeyFile,
  verifierOf,
} from '@trustgw/runtime'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tg-files-'))
})
after(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function code(promise: Promise<unknown>): Promise<FileFaultCode> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert(error instanceof FileFault, String(error))
  return error.code
}

describe('secret files', () => {
  it('are read only when nobody but their owner may touch them [INV-33]', async () => {
    const file = join(dir, 'secret')
    await atomicWriteFile(file, 'x', { mode: 0o600 })
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.deepEqual(await readSecretFile(file), new Uint8Array([120]))
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      await chmod(file, mode)
      assert.equal(await code(readSecretFile(file)), 'file_mode', mode.toString(8))
    }
    await chmod(file, 0o600)
    await symlink(file, join(dir, 'link'))
    assert.equal(await code(readSecretFile(join(dir, 'link'))), 'file_owner')
    assert.equal(await code(readSecretFile(join(dir, 'none'))), 'file_missing')
    await writeFile(join(dir, 'big'), Buffer.alloc(70_000), { mode: 0o600 })
    assert.equal(await code(readSecretFile(join(dir, 'big'))), 'file_too_large')
  })

  it('are replaced whole, or not at all when they must be new', async () => {
    const file = join(dir, 'whole')
    await atomicWriteFile(file, 'one', { mode: 0o600, fresh: true })
    assert.equal(
      await code(atomicWriteFile(file, 'two', { mode: 0o600, fresh: true })),
      'file_exists',
    )
    assert.equal(await readFile(file, 'utf8'), 'one')
    await atomicWriteFile(file, 'three', { mode: 0o600 })
    assert.equal(await readFile(file, 'utf8'), 'three')
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  it('is written beside what a crash left under the names of the same process', async () => {
    const file = join(dir, 'left.txt')
    const left = Array.from({ length: 200 }, (_, n) => `.left.txt.${process.pid}.${n + 1}.tmp`)
    for (const name of left) await writeFile(join(dir, name), 'half', { mode: 0o600 })
    await atomicWriteFile(file, 'whole', { mode: 0o600 })
    assert.equal(await readFile(file, 'utf8'), 'whole')
  })
})

describe('key files', () => {
  it('hold a key that signs, and are never made over another', async () => {
    const file = join(dir, 'grant.key')
    const made = await createSigningKeyFile(file)
    const loaded = await loadSigningKey(file)
    assert.deepEqual(loaded.publicKey, made.publicKey)
    const verify = verifierOf(made.publicKey)
    assert.equal(verify?.('text', loaded.sign('text')), true)
    assert.equal(verify?.('other', loaded.sign('text')), false)
    assert.equal(await code(createSigningKeyFile(file)), 'file_exists')
    await chmod(file, 0o644)
    assert.equal(await code(loadSigningKey(file)), 'file_mode')
    await atomicWriteFile(file, 'not a key', { mode: 0o600 })
    assert.equal(await code(loadSigningKey(file)), 'file_malformed')
    assert.equal(verifierOf(new Uint8Array(31)), undefined)
  })

  it('are sealed under a passphrase, and open under no other', async () => {
    const secret = join(dir, 'passphrase')
    await writeFile(secret, 'sixteen bytes and more\n', { mode: 0o600 })
    const passphrase = await readPassphrase(secret)
    const other = new TextEncoder().encode('sixteen bytes, not those')
    const file = join(dir, 'sealed.key')
    const made = await createSigningKeyFile(file, passphrase)
    assert.match(await readFile(file, 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/)
    assert.deepEqual((await loadSigningKey(file, passphrase)).publicKey, made.publicKey)
    assert.equal(await code(loadSigningKey(file)), 'file_sealed')
    assert.equal(await code(loadSigningKey(file, other)), 'file_sealed')
    const plain = join(dir, 'plain.key')
    const unsealed = await createSigningKeyFile(plain)
    assert.equal(await isSealedKeyFile(plain), false)
    assert.deepEqual(
      [await sealKeyFile(plain, passphrase), await sealKeyFile(plain, other)],
      [true, false],
    )
    assert.deepEqual((await loadSigningKey(plain, passphrase)).publicKey, unsealed.publicKey)
    await writeFile(secret, 'too short\n', { mode: 0o600 })
    assert.equal(await code(readPassphrase(secret)), 'file_malformed')
    await chmod(secret, 0o644)
    assert.equal(await code(readPassphrase(secret)), 'file_mode')
  })
})

describe('the public keys', () => {
  it('are found in their role, holder and tenant only', async () => {
    const acme = parseTenantId('acme')
    const globex = parseTenantId('globex')
    assert(acme.ok && globex.ok)
    const grant = generateSigningKey()
    const host = generateSigningKey()
    const keys = new PublicKeys([
      { kid: 'g', role: 'grant', publicKey: grant.publicKey, component: 'gateway' },
      {
        kid: 'h',
        role: 'host',
        publicKey: host.publicKey,
        component: 'host',
        tenant: acme.value,
      },
    ])
    const verify = keys.keyFor({ role: 'grant' })('g')
    assert.equal(verify?.('x', grant.sign('x')), true)
    assert.equal(verify?.('x', host.sign('x')), false)
    assert.equal(keys.keyFor({ role: 'result' })('g'), undefined)
    assert.equal(keys.keyFor({ role: 'grant', component: 'host' })('g'), undefined)
    assert.equal(keys.keyFor({ role: 'host' })('h'), undefined)
    assert.equal(keys.keyFor({ role: 'host', tenant: globex.value })('h'), undefined)
    assert.notEqual(keys.keyFor({ role: 'host', tenant: acme.value })('h'), undefined)
    assert.equal(keys.find('g', 'host'), undefined)
    assert.match(keyIdOf('grant', grant.publicKey), /^grant-[0-9a-f]{16}$/)
  })
})

describe('the synced appender', () => {
  it('keeps the order of the calls and ends a line that a crash tore', async () => {
    const file = join(dir, 'wal.ndjson')
    await writeFile(file, 'old\ntorn')
    const log = await SyncedAppender.open(file)
    await Promise.all(Array.from({ length: 200 }, (_, i) => log.append(`l${i}`)))
    await log.append('last')
    await log.close()
    const lines = (await readFile(file, 'utf8')).split('\n')
    const wanted = ['old', 'torn', ...Array.from({ length: 200 }, (_, i) => `l${i}`), 'last', '']
    assert.deepEqual(lines, wanted)
    assert.equal(await code(log.append('closed')), 'file_unwritable')
  })

  it('takes one line at a time and makes a private file', async () => {
    const file = join(dir, 'new.ndjson')
    const log = await SyncedAppender.open(file)
    await assert.rejects(log.append('two\nlines'), TypeError)
    await log.append('one')
    assert.equal(await readFile(file, 'utf8'), 'one\n')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await log.close()
    assert.equal(await code(SyncedAppender.open(join(dir, 'no', 'file'))), 'file_unwritable')
  })
})
