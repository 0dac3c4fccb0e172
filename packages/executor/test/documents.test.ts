import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type KeyRole, signJws, verifyJws } from '@trustgw/protocol'
import { generateSigningKey, PublicKeys } from '@trustgw/runtime'

/** Every signed document of spec/protocol.md §3, with the role of the key that signs it. */
const DOCUMENTS: readonly (readonly [typ: string, role: KeyRole])[] = [
  ['execution-grant+jwt', 'grant'],
  ['execution-result+jwt', 'result'],
  ['approval-decision+jwt', 'host'],
  ['approval-statement+jwt', 'host'],
  ['tool-registry+jwt', 'result'],
  ['agent-record+jwt', 'operator'],
  ['policy-seal+jwt', 'operator'],
  ['policy-delegation+jwt', 'operator'],
  ['policy-status+jwt', 'audit'],
  ['acl-record+jwt', 'host'],
  ['approval-record+jwt', 'host'],
  ['session+jwt', 'session'],
]
const ROLES = [...new Set(DOCUMENTS.map(([, role]) => role))]
const signers = new Map(ROLES.map((role) => [role, generateSigningKey()]))
const trust = new PublicKeys(
  [...signers].map(([role, { publicKey }]) => ({ kid: role, role, publicKey, component: 'x' })),
)

function made(typ: string, role: KeyRole): string {
  const signer = signers.get(role)
  assert.ok(signer)
  return signJws({ typ, kid: role, payload: { v: 1 } }, signer.sign)
}

for (const [typ, role] of DOCUMENTS) {
  const read = (token: string): string => {
    const verified = verifyJws(token, { typ, maxBytes: 8_192, keyFor: trust.keyFor({ role }) })
    return verified.ok ? 'read' : verified.reason
  }

  test(`nothing else is read as ${typ}, whoever signed it`, () => {
    assert.equal(read(made(typ, role)), 'read')
    for (const [other, signer] of DOCUMENTS) {
      if (other !== typ) assert.equal(read(made(other, signer)), 'jws_typ', other)
      if (signer !== role) assert.equal(read(made(typ, signer)), 'jws_kid_unknown', signer)
    }
  })
}
