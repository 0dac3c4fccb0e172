import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  base64urlDecode,
  canonicalize,
  type JsonObject,
  parseJson,
  readSealedBundle,
  readShape,
} from '@trustgw/protocol'
import { PublicKeys, sha256 } from '@trustgw/runtime'
import { bundleBytes } from '@trustgw/testkit/seal-policy'
import { clearAction } from '../src/admit/admission.ts'
import { checkPrecondition } from '../src/admit/check-precondition.ts'
import { verifyBundle } from '../src/policy/verify-bundle.ts'
import { makeClauseVectors } from './support/clause-vectors.ts'
import { ROOT } from './support/connectors.ts'
import { makeApprovalVectors, makePolicyVectors } from './support/make-vectors.ts'
import { openSealed } from './support/policy.ts'
import { makePreconditionVectors, ReadDouble } from './support/precondition.ts'
import { type AdmissionVectors, vectorsShape } from './support/vectors.ts'
import { NOW, PROFILE, TENANT, World } from './support/world.ts'

function readVectors(text: Uint8Array | string): AdmissionVectors {
  const parsed = parseJson(text, { maxBytes: 4_000_000, maxDepth: 64 })
  assert.ok(parsed.ok, 'strict JSON')
  const read = readShape(vectorsShape, parsed.value)
  assert.ok(read.ok, read.ok ? '' : read.detail)
  return read.value
}

const FILES: readonly (readonly [file: string, make: () => Promise<JsonObject>])[] = [
  ['approval', makeApprovalVectors],
  ['policy', makePolicyVectors],
  ['clauses', makeClauseVectors],
  ['precondition', makePreconditionVectors],
]

for (const [file, make] of FILES) {
  test(`every vector of admission has the fate that it names: ${file} [INV-13]`, async () => {
    await check(readVectors(await readFile(join(ROOT, `vectors/admission/${file}.json`))))
  })

  test(`vectors made of fresh keys and ids have the same fates: ${file}`, async () => {
    await check(readVectors(JSON.stringify(await make())))
  })
}

async function check(vectors: AdmissionVectors): Promise<void> {
  assert.deepEqual([vectors.now_ms, vectors.profile, vectors.tenant], [NOW, PROFILE, TENANT])
  const trust = new PublicKeys(
    vectors.keys.map(({ kid, role, component, public: text }) => ({
      kid,
      role,
      component,
      publicKey: base64urlDecode(text) ?? new Uint8Array(),
    })),
  )
  const encode = (value: Parameters<typeof canonicalize>[0]): Uint8Array =>
    new TextEncoder().encode(canonicalize(value))
  const sealed = readSealedBundle(bundleBytes(vectors.policy), sha256)
  assert.ok(sealed.ok)
  const pins = { current: () => Promise.resolve({ ok: true, value: vectors.pins } as const) }
  const operatorKeyFor = trust.keyFor({ role: 'operator' })
  const vouched = await verifyBundle(sealed.value, { operatorKeyFor, pins, sha256 }, NOW)
  assert.ok(vouched.ok && vouched.value === 'operator')
  const policies = openSealed(vectors.policy)
  const world = new World(vectors.contract)
  world.tools.replace([vectors.contract, ...(vectors.read === undefined ? [] : [vectors.read])])
  const deps = world.admission({
    grantKeyFor: trust.keyFor({ role: 'grant', component: 'gateway' }),
    auditKeyFor: trust.keyFor({ role: 'audit', component: 'gateway' }),
    hostKeyFor: trust.keyFor({ role: 'host', component: 'host' }),
    pins,
    policies: { current: () => policies, refresh: () => Promise.resolve() },
    audit: {
      getLast: () => Promise.resolve(undefined),
      getBySeq: (seq) => {
        const found = vectors.audit.find((entry) => entry.seq === seq)
        return Promise.resolve(
          found === undefined
            ? undefined
            : { seq, subject: found.subject, data: encode(found.event) },
        )
      },
    },
  })
  assert.ok(vectors.cases.length >= 15)
  for (const { name, message, now, expected } of vectors.cases) {
    const cleared = await clearAction(encode(message), deps)
    const connectors = new Map(now === undefined ? [] : [['shop', new ReadDouble(now)]])
    const outcome = cleared.ok
      ? await checkPrecondition(cleared.value.token, world.reading({ connectors }))
      : cleared
    assert.equal(outcome.ok ? 'admitted' : outcome.reason, expected, name)
  }
}
