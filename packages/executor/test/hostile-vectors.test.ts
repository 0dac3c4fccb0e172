import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { base64urlDecode, canonicalize, parseJson, readShape } from '@trustgw/protocol'
import { PublicKeys } from '@trustgw/runtime'
import { clearAction } from '../src/admit/admission.ts'
import { ROOT } from './support/connectors.ts'
import { type HostileVectors, hostileShape, messageOf } from './support/hostile/vector-file.ts'
import { openSealed } from './support/policy.ts'
import { TENANT, World } from './support/world.ts'

function readVectors(text: string): HostileVectors {
  const parsed = parseJson(text, { maxBytes: 8_000_000, maxDepth: 64 })
  assert.ok(parsed.ok, parsed.ok ? '' : `${parsed.reason} ${parsed.detail}`)
  const read = readShape(hostileShape, parsed.value)
  assert.ok(read.ok, read.ok ? '' : read.detail)
  return read.value
}

for (const file of ['hostile-grants', 'hostile-assertions']) {
  const text = readFile(join(ROOT, `vectors/admission/${file}.json`), 'utf8')

  test(`each hostile vector is refused for the reason that it names: ${file}`, async () => {
    const vectors = readVectors(await text)
    const differing = await judge(vectors)
    assert.deepEqual(differing, [])
  })

  test(`no hostile vector is there twice: ${file}`, async () => {
    const vectors = readVectors(await text)
    const names = vectors.cases.map(({ name }) => name)
    const messages = vectors.cases.map((one) =>
      Buffer.from(messageOf(vectors, one)).toString('latin1'),
    )
    for (const all of [names, messages]) {
      const twice = all.flatMap((one, at) => (all.indexOf(one) === at ? [] : [names[at]]))
      assert.deepEqual(twice, [])
    }
  })
}

/** Names of the cases that have another fate than they say, with that. */
async function judge(vectors: HostileVectors): Promise<readonly string[]> {
  const trust = new PublicKeys(
    vectors.keys.map(({ kid, role, component, public: text }) => ({
      kid,
      role,
      component,
      publicKey: base64urlDecode(text) ?? new Uint8Array(),
    })),
  )
  const policies = openSealed(vectors.policy)
  const deps = new World(vectors.contract).admission({
    grantKeyFor: trust.keyFor({ role: 'grant', component: 'gateway' }),
    auditKeyFor: trust.keyFor({ role: 'audit', component: 'gateway' }),
    hostKeyFor: trust.keyFor({ role: 'host', component: 'host' }),
    pins: { current: () => Promise.resolve({ ok: true, value: vectors.pins }) },
    policies: {
      current: (tenant) => (tenant === TENANT ? policies : undefined),
      refresh: () => Promise.resolve(),
    },
    audit: {
      getLast: () => Promise.resolve(undefined),
      getBySeq: (seq) => {
        const found = vectors.audit.find((entry) => entry.seq === seq)
        if (found === undefined) return Promise.resolve(undefined)
        const data = Buffer.from(canonicalize(found.event))
        return Promise.resolve({ seq, subject: found.subject, data })
      },
    },
  })
  const differing: string[] = []
  for (const vector of vectors.cases) {
    const outcome = await clearAction(messageOf(vectors, vector), deps)
    const fate = outcome.ok ? 'admitted' : outcome.reason
    if (fate !== vector.expected) {
      differing.push(
        `${vector.name}: ${fate} (${outcome.ok ? '' : outcome.detail}), not ${vector.expected}`,
      )
    }
  }
  return differing
}
