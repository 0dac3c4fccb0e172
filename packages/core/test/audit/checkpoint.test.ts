import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import {
  type NoteVerifier,
  noteKeyId,
  parseCheckpoint,
  printCheckpoint,
  signNote,
  verifyNote,
} from '@trustgw/core'
import { sha256, testKey } from '../hashing.ts'

function ed25519(name: string, public_key: Uint8Array): NoteVerifier {
  const x = Buffer.from(public_key).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return {
    name,
    public_key,
    verify: (text, signature) => verify(null, Buffer.from(text), key, signature),
  }
}

test('the published example of a signed note verifies', () => {
  const encoded = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64')
  const key = ed25519('PeterNeumann', new Uint8Array(encoded.subarray(1)))
  assert.equal(Buffer.from(noteKeyId(sha256, key)).toString('hex'), 'c74f20a3')
  const text =
    'If you think cryptography is the answer to your problem,\n' +
    "then you don't know what your problem is.\n"
  const line =
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
  assert.deepEqual(verifyNote(sha256, `${text}\n${line}`, [key]), {
    ok: true,
    value: { text, signers: ['PeterNeumann'] },
  })
})

const ROOT = '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
const checkpoint = { origin: 'gateway.example/acme', size: 1, root: ROOT }
const TEXT = 'gateway.example/acme\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n'

test('a checkpoint is printed as the specification says and read back', () => {
  assert.equal(printCheckpoint(checkpoint), TEXT)
  assert.deepEqual(parseCheckpoint(TEXT), { ok: true, value: checkpoint })
})

test('a checkpoint in any other form is refused', () => {
  for (const text of [
    '',
    TEXT.slice(0, -1),
    `${TEXT}extension\n`,
    `${TEXT}\n`,
    TEXT.replace('\n1\n', '\n01\n'),
    TEXT.replace('\n1\n', '\n-1\n'),
    TEXT.replace('\n1\n', '\n9007199254740993\n'),
    TEXT.replace('oB0=', 'oB0'),
    TEXT.replace('oB0=', 'oB1='),
    TEXT.replace('P+z', 'P-z'),
    TEXT.replace('bjQL', ''),
    TEXT.replace('example/acme', 'example acme'),
    TEXT.replace('gateway.example/acme', ''),
  ]) {
    assert.equal(parseCheckpoint(text).ok, false, JSON.stringify(text))
  }
  assert.throws(() => printCheckpoint({ ...checkpoint, root: 'zz' }), TypeError)
  assert.throws(() => printCheckpoint({ ...checkpoint, size: -1 }), TypeError)
  assert.throws(() => printCheckpoint({ ...checkpoint, origin: 'two words' }), TypeError)
})

const signers = (note: string, keys: readonly NoteVerifier[]): unknown => {
  const read = verifyNote(sha256, note, keys)
  return read.ok ? read.value.signers : read.reason
}

test('a note names who signed it, and passes over keys that nobody asked about', () => {
  const log = { name: 'gateway.example/acme', ...testKey() }
  const witness = { name: 'witness.example', ...testKey() }
  const one = signNote(sha256, TEXT, log)
  const both = one + signNote(sha256, TEXT, witness).slice(TEXT.length + 1)
  assert.deepEqual(signers(one, [log]), ['gateway.example/acme'])
  assert.deepEqual(signers(both, [log, witness]), ['gateway.example/acme', 'witness.example'])
  assert.deepEqual(signers(both, [witness]), ['witness.example'])
  assert.equal(signers(one, [witness]), 'note_signature_missing')
  assert.equal(signers(one, []), 'note_signature_missing')
  const other = { ...log, ...testKey() }
  assert.equal(signers(one, [other]), 'note_signature_missing')
})

test('a note whose text or signature was changed is refused', () => {
  const log = { name: 'gateway.example/acme', ...testKey() }
  const note = signNote(sha256, TEXT, log)
  const reason = (text: string): unknown => {
    const read = verifyNote(sha256, text, [log])
    return read.ok ? null : read.reason
  }
  assert.equal(reason(note), null)
  assert.equal(reason(note.replace('\n1\n', '\n2\n')), 'note_signature_wrong')
  assert.equal(reason(note.slice(0, -1)), 'note_format')
  assert.equal(reason(TEXT), 'note_format')
  assert.equal(reason(note.replace('— ', '- ')), 'note_format')
  assert.equal(reason(note.replace(/=\n$/, '\n')), 'note_format')
  assert.equal(reason(note + note.slice(TEXT.length + 1).repeat(16)), 'note_format')
  assert.equal(reason('x'.repeat(16_385)), 'note_too_large')
})

test('what is no note text is not signed', () => {
  const log = { name: 'log', ...testKey() }
  assert.throws(() => signNote(sha256, 'no newline', log), TypeError)
  assert.throws(() => signNote(sha256, 'a\n\nb\n', log), TypeError)
  assert.throws(() => signNote(sha256, TEXT, { ...log, name: 'a+b' }), TypeError)
  assert.throws(() => signNote(sha256, TEXT, { ...log, sign: () => new Uint8Array(3) }), TypeError)
})
