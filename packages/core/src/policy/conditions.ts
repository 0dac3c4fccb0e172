/** The lines of a match as functions of the facts (spec/policy.md "Three-valued matching"). */
import { compareMoney, formatMoney, type Json } from '@trustgw/protocol'
import type { AmountBound, Condition, Predicate } from './ast.ts'
import type { Look } from './facts.ts'
import { compileGlob } from './glob.ts'
import { valueAt } from './pointer.ts'
import { compilePredicate, isGlobbable, withinBound } from './predicates.ts'
import { allOf, type Truth } from './truth.ts'

/** Tool ids and identities are parts joined with dots. */
export const NAME_SEPARATOR = '.'

export interface Test {
  /** The fact that the line is about. */
  readonly fact: string
  readonly judge: (look: Look) => Truth
}

function operationTest(any: readonly string[]): Test {
  const wanted = new Set(any)
  return {
    fact: 'operation',
    judge: (look) => {
      const { operation } = look.facts.tool
      look.see('operation', 'derived', operation)
      return wanted.has(operation)
    },
  }
}

function sourceTest(any: readonly string[]): Test {
  const wanted = new Set(any)
  return {
    fact: 'source',
    judge: (look) => {
      const { source } = look.facts
      look.see('source', 'asserted', source ?? undefined)
      return source === null ? 'unknown' : wanted.has(source)
    },
  }
}

function agentTest(texts: readonly string[]): Test {
  const globs = texts.map((text) => compileGlob(text, NAME_SEPARATOR))
  return {
    fact: 'agent',
    judge: (look) => {
      const { agent } = look.facts
      look.see('agent', 'asserted', agent ?? undefined)
      if (agent === null) return 'unknown'
      if (isGlobbable(agent)) return globs.some((glob) => glob(agent))
      look.doubt('agent')
      return 'unknown'
    },
  }
}

function amountTest(bounds: readonly AmountBound[]): Test {
  return {
    fact: 'amount',
    judge: (look) => {
      const amount = look.amount()
      if (amount.kind === 'none') {
        look.see('amount', 'derived', 'none')
        return false
      }
      look.see('amount', 'derived', amount.kind === 'money' ? formatMoney(amount.money) : undefined)
      if (amount.kind === 'unknown') return 'unknown'
      const { money } = amount
      const truth = allOf(
        bounds.map(({ bound, money: limit }) => {
          const order = compareMoney(money, limit)
          return order.ok ? withinBound(order.value, bound) : 'unknown'
        }),
      )
      if (truth === 'unknown') look.doubt('amount')
      return truth
    },
  }
}

function argsTest(pointer: string, predicates: readonly Predicate[]): Test {
  const fact = `args:${pointer}`
  const judges: readonly ((value: Json) => Truth)[] = predicates.map(compilePredicate)
  return {
    fact,
    judge: (look) => {
      const value = valueAt(look.facts.args, pointer)
      look.see(fact, 'derived', value)
      if (value === undefined) return 'unknown'
      const truth = allOf(judges.map((judge) => judge(value)))
      if (truth === 'unknown') look.doubt(fact)
      return truth
    },
  }
}

/** The judge of one line, but for `tool`, which the index answers. */
export function compileCondition(condition: Exclude<Condition, { kind: 'tool' }>): Test {
  if (condition.kind === 'operation') return operationTest(condition.any)
  if (condition.kind === 'source') return sourceTest(condition.any)
  if (condition.kind === 'agent') return agentTest(condition.globs)
  if (condition.kind === 'amount') return amountTest(condition.bounds)
  return argsTest(condition.pointer, condition.predicates)
}
