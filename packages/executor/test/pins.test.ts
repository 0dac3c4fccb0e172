import assert from 'node:assert/strict'
import { chmod, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { addPin, pinFingerprint, pinFirst, readPins, revokePin } from '../src/index.ts'
import type { Pin } from '../src/pins/pin.ts'
import { LOCK_STALE_MS } from '../src/pins/pin-file.ts'
import { PinRegistry } from '../src/pins/pin-registry.ts'
import { tempDir } from './support/connectors.ts'
import { ORIGIN, RP_ID, World } from './support/world.ts'

const world = new World()
const pinOf = (change: Partial<Pin> = {}): Pin => {
  const key = new SoftwareAuthenticator({ algorithm: 'EdDSA', rpId: RP_ID, origin: ORIGIN })
  return world.pin({ credential_id: key.credentialId, public_key: key.publicKey, ...change })
}

async function withFile(use: (path: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await tempDir()
  try {
    await use(join(dir.path, 'pins.json'), dir.path)
  } finally {
    await dir.remove()
  }
}

const reason = (outcome: { readonly ok: boolean; readonly reason?: string }): unknown =>
  outcome.ok ? 'ok' : outcome.reason

test('the first pin is made once, in a file that only the owner reads, and shown as a fingerprint', async () => {
  await withFile(async (path, dir) => {
    const pin = pinOf()
    const made = await pinFirst(path, pin)
    assert.ok(made.ok)
    assert.match(made.value, /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/)
    assert.equal(made.value, pinFingerprint(pin))
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal(reason(await pinFirst(path, pinOf())), 'pins_not_empty')
    assert.deepEqual(await readdir(dir), ['pins.json'], 'no lock and no half file stays')
  })
})

test('a revoked first pin does not open the file again, nor come back', async () => {
  await withFile(async (path) => {
    const pin = pinOf()
    await pinFirst(path, pin)
    assert.ok((await revokePin(path, pin.credential_id)).ok)
    assert.equal(reason(await pinFirst(path, pinOf())), 'pins_not_empty')
    assert.equal(reason(await addPin(path, pin)), 'pin_revoked')
    assert.equal(reason(await revokePin(path, pin.credential_id)), 'pin_unknown')
  })
})

test('a pin of a wrong form never gets into the file', async () => {
  await withFile(async (path) => {
    const wrong: readonly Partial<Pin>[] = [
      { public_key: 'AAAA' },
      { origins: ['http://example.com'] },
      { origins: ['https://example.com/'] },
      { origins: [] },
      { rp_id: 'Example.com' },
      { credential_id: 'a' },
    ]
    for (const change of wrong) {
      assert.equal(
        reason(await addPin(path, pinOf(change))),
        'pin_malformed',
        JSON.stringify(change),
      )
    }
    assert.ok((await addPin(path, pinOf())).ok)
    const twin = pinOf()
    await addPin(path, twin)
    assert.equal(reason(await addPin(path, { ...twin, person: 'eve' })), 'pin_exists')
  })
})

test('an exposed, damaged or extended file is refused whole', async () => {
  await withFile(async (path) => {
    await addPin(path, pinOf())
    await chmod(path, 0o644)
    assert.equal(reason(await readPins(path)), 'pins_exposed')
    for (const text of ['', '{"version":1}', '{"version":1,"pins":[],"revoked":[],"x":1}', '[]']) {
      await writeFile(path, text)
      await chmod(path, 0o600)
      assert.equal(reason(await readPins(path)), 'pins_malformed', text)
    }
  })
})

test('two writers at once: both pins or a clear refusal, never a lost one', async () => {
  await withFile(async (path) => {
    const outcomes = await Promise.all([
      addPin(path, pinOf()),
      addPin(path, pinOf()),
      addPin(path, pinOf()),
    ])
    const made = outcomes.filter(({ ok }) => ok).length
    assert.ok(made >= 1)
    for (const outcome of outcomes)
      assert.ok(['ok', 'pins_locked'].includes(String(reason(outcome))))
    const read = await readPins(path)
    assert.equal(read.ok && read.value.pins.length, made)
  })
})

test('a lock that a crash left is removed, by one only; a lock that is held is not', async () => {
  await withFile(async (path, dir) => {
    const pin = pinOf()
    await pinFirst(path, pin)
    const lock = `${path}.lock`
    await writeFile(lock, '')
    assert.equal(reason(await revokePin(path, pin.credential_id)), 'pins_locked')
    const before = new Date(Date.now() - LOCK_STALE_MS - 1_000)
    await utimes(lock, before, before)
    const more = Array.from({ length: 8 }, () => addPin(path, pinOf()))
    const outcomes = await Promise.all([revokePin(path, pin.credential_id), ...more])
    const made = outcomes.filter(({ ok }) => ok).length
    assert.ok(made >= 1, 'the lock is gone')
    const read = await readPins(path)
    assert.ok(read.ok)
    assert.equal(read.value.pins.length + 2 * read.value.revoked.length, made + 1)
    const later = await addPin(path, pinOf())
    assert.equal(reason(later), 'ok')
    assert.deepEqual(await readdir(dir), ['pins.json'])
  })
})

test('the registry sees a new and a revoked pin at the next look', async () => {
  await withFile(async (path) => {
    const registry = new PinRegistry(path)
    const count = async (): Promise<unknown> => {
      const pins = await registry.current()
      return pins.ok ? pins.value.length : pins.reason
    }
    assert.equal(await count(), 0)
    const pin = pinOf()
    await pinFirst(path, pin)
    assert.equal(await count(), 1)
    assert.equal(await count(), 1)
    await revokePin(path, pin.credential_id)
    assert.equal(await count(), 0)
    await writeFile(path, '{')
    assert.equal(await count(), 'pins_malformed')
    assert.equal(await count(), 'pins_malformed')
  })
})
