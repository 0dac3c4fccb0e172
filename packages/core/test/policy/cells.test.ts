import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '@trustgw/protocol'
import { type Variable, variablesOf } from '../../src/policy/cells.ts'
import { repositoryFile } from '../hashing.ts'
import { mustParse } from './world.ts'

interface CellsCase {
  readonly lines: readonly string[]
  readonly variables: readonly {
    readonly fact: string
    readonly gap: string | null
    readonly keys: readonly string[]
    readonly ways: readonly { readonly truths: readonly unknown[]; readonly shown: Json }[]
  }[]
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/cells.json')) as {
  readonly cases: readonly CellsCase[]
}

function variables(lines: readonly string[]): CellsCase['variables'] {
  const rules = lines.map(
    (line, at) => `[[rules]]\nid = "r${at}"\npriority = 1\neffect = "deny"\nmatch = { ${line} }\n`,
  )
  const conditions = mustParse(`version = 1\n${rules.join('')}`).rules.flatMap(({ match }) => match)
  const keys = new Map<Variable, string[]>()
  for (const [key, variable] of variablesOf(conditions)) {
    keys.set(variable, [...(keys.get(variable) ?? []), key])
  }
  return [...keys].map(([{ fact, gap, cells, real }, own]) => ({
    fact,
    gap,
    keys: own,
    ways: (gap === null ? cells : real).map(({ truths, shown }) => ({
      truths: [...truths.values()],
      shown,
    })),
  }))
}

for (const { lines, variables: expected } of cases) {
  test(`every way to judge ${lines.join(' and ')}`, () => {
    assert.deepEqual(variables(lines), expected)
  })
}
