import {
  type AmountRule,
  type JsonObject,
  type Money,
  parseCurrency,
  parseDecimalAmount,
  parseMinorAmount,
} from '@trustgw/protocol'
import { valueAt } from './arguments.ts'

/** `unreadable`: the tool moves money, but how much cannot be told from the arguments. */
export type AmountView =
  | { readonly kind: 'none' }
  | { readonly kind: 'money'; readonly money: Money; readonly pointer: string }
  | { readonly kind: 'unreadable'; readonly pointer: string }

/** The amount by the contract's rule, from the arguments that are shown. Nothing is defaulted. */
export function amountOf(rule: AmountRule, input: JsonObject): AmountView {
  if (rule.kind === 'none') return { kind: 'none' }
  const unreadable = { kind: 'unreadable', pointer: rule.pointer } as const
  const value = valueAt(input, rule.pointer)
  const code =
    rule.currency.kind === 'fixed' ? rule.currency.code : valueAt(input, rule.currency.pointer)
  if (value === undefined || typeof code !== 'string') return unreadable
  const currency = parseCurrency(code)
  if (!currency.ok) return unreadable
  const parse = rule.unit === 'minor' ? parseMinorAmount : parseDecimalAmount
  const money = parse(value, currency.value)
  return money.ok ? { kind: 'money', money: money.value, pointer: rule.pointer } : unreadable
}
