import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import * as protocol from '@trustgw/protocol'
import { vectorText } from './support.ts'

/**
 * What crosses a process boundary changes only on purpose: `node scripts/update-schemas.mjs` writes
 * these files anew, and the change is then seen in review.
 */
const SCHEMAS = join(import.meta.dirname, '../../../../vectors/schemas')

/** `actionEventShape` → `action-event`. */
function fileName(shape: string): string {
  const noun = shape.slice(0, -'Shape'.length)
  return noun.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

const exported: readonly (readonly [string, unknown])[] = Object.entries(protocol).toSorted(
  ([a], [b]) => (a < b ? -1 : 1),
)

const nouns = exported.flatMap(([name, value]) => {
  if (!name.endsWith('Shape') || typeof value !== 'object' || value === null) return []
  return [[fileName(name), value as protocol.Shape<unknown>] as const]
})
const constants = exported.filter(([name]) => /^[A-Z][A-Z0-9_]*$/.test(name))

const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

describe('the wire nouns', () => {
  it('each have a snapshot, and each snapshot a noun', () => {
    const files = readdirSync(SCHEMAS).filter((name) => name.endsWith('.json'))
    const wanted = ['constants.json', ...nouns.map(([name]) => `${name}.json`)]
    assert.deepEqual(files.toSorted(), wanted.toSorted())
    assert.ok(nouns.length >= 30)
  })

  for (const [name, shape] of nouns) {
    it(`${name} is what its snapshot says`, () => {
      assert.equal(
        text(protocol.describeShape(shape)),
        vectorText(`schemas/${name}.json`),
        'the wire changed: if that is meant, run node scripts/update-schemas.mjs',
      )
    })
  }

  it('have the types, limits and subjects that their snapshot says', () => {
    assert.equal(text(Object.fromEntries(constants)), vectorText('schemas/constants.json'))
  })

  it('are closed: no object takes a member that is not described [INV-10]', () => {
    const open = (value: unknown): boolean => {
      if (typeof value !== 'object' || value === null) return false
      if ('properties' in value && !('additionalProperties' in value)) return true
      return Object.values(value).some(open)
    }
    for (const [name, shape] of nouns) assert.equal(open(shape.description), false, name)
  })
})
