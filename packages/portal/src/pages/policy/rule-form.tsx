import { operationNoun } from '@trustgw/card'
import { OPERATIONS, type Operation } from '@trustgw/protocol'
import { type ReactElement, type ReactNode, useState } from 'react'
import {
  AMOUNT_BOUNDS,
  EMPTY_RULE,
  type RuleForm,
  type RuleFormRefusal,
  ruleProblem,
} from '../../logic/rule-form.ts'
import type { ListedTool } from '../../ports/shapes.ts'

const BOUND_WORDS = {
  gt: 'more than',
  gte: 'at least',
  lt: 'less than',
  lte: 'at most',
} as const

const OUTCOMES = [
  { value: 'deny', label: 'is denied', effect: 'deny', tier: 2 },
  { value: 'passkey', label: 'needs a passkey', effect: 'require_approval', tier: 2 },
  { value: 'click', label: 'needs a click', effect: 'require_approval', tier: 1 },
  { value: 'allow', label: 'runs at once', effect: 'allow', tier: 2 },
] as const

const PROBLEMS: Readonly<Record<RuleFormRefusal, string>> = {
  match_empty: 'Say what the rule is about: a tool, an operation or an amount.',
  reason_missing: 'Write the reason. Agents and approvers read it.',
}

/** A rule without knowing TOML; it is written into the text, where it can be read and changed. */
export function AddRule(props: {
  readonly tools: readonly ListedTool[]
  readonly onAdd: (form: RuleForm) => void
  readonly onClose: () => void
}): ReactElement {
  const [form, setForm] = useState<RuleForm>(EMPTY_RULE)
  const [problem, setProblem] = useState<string | undefined>()
  const change = (part: Partial<RuleForm>): void => setForm({ ...form, ...part })
  const submit = (): void => {
    const refusal = ruleProblem(form)
    setProblem(refusal === undefined ? undefined : PROBLEMS[refusal])
    if (refusal === undefined) props.onAdd(form)
  }
  return (
    <form
      aria-labelledby="add-rule-title"
      className="sheet mb-3 flex flex-col gap-4 p-4 max-sm:mx-4"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <h2 id="add-rule-title" className="font-semibold">
        Add a rule
      </h2>
      <What form={form} tools={props.tools} change={change} />
      <Then form={form} change={change} />
      {problem === undefined ? null : (
        <p role="alert" className="font-semibold text-red">
          {problem}
        </p>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <button type="button" className="button" onClick={props.onClose}>
          Close
        </button>
        <button type="submit" className="button button-primary">
          Write it into the policy
        </button>
      </div>
    </form>
  )
}

interface Part {
  readonly form: RuleForm
  readonly change: (part: Partial<RuleForm>) => void
}

function What({
  form,
  tools,
  change,
}: Part & { readonly tools: readonly ListedTool[] }): ReactElement {
  return (
    <div className="flex flex-col gap-3">
      <Field
        label="When the tool is"
        hint="* stays within a part, ** crosses dots; several by commas"
      >
        <input
          className="field data"
          list="registered-tools"
          autoFocus
          placeholder="shop.refund*"
          value={form.tools}
          onChange={(event) => change({ tools: event.target.value })}
        />
        <datalist id="registered-tools">
          {tools.map(({ id, title }) => (
            <option key={id} value={id}>
              {title}
            </option>
          ))}
        </datalist>
      </Field>
      <fieldset>
        <legend className="label">and it is declared to</legend>
        <div className="mt-1 flex flex-wrap gap-x-4 gap-y-1">
          {OPERATIONS.map((operation) => (
            <label key={operation} className="flex min-h-8 items-center gap-2">
              <input
                type="checkbox"
                className="size-4.5 accent-brand"
                checked={form.operations.includes(operation)}
                onChange={() => change({ operations: toggled(form.operations, operation) })}
              />
              {operationNoun(operation)}
            </label>
          ))}
        </div>
      </fieldset>
      <Amount form={form} change={change} />
    </div>
  )
}

function Amount({ form, change }: Part): ReactElement {
  return (
    <div className="grid grid-cols-[9rem_minmax(0,1fr)] gap-2">
      <Field label="and the amount is">
        <select
          className="field"
          value={form.amountBound}
          onChange={({ target }) =>
            change({ amountBound: AMOUNT_BOUNDS.find((one) => one === target.value) ?? 'gt' })
          }
        >
          {AMOUNT_BOUNDS.map((bound) => (
            <option key={bound} value={bound}>
              {BOUND_WORDS[bound]}
            </option>
          ))}
        </select>
      </Field>
      <Field label="amount, if it matters">
        <input
          className="field data"
          placeholder="100.00 EUR"
          value={form.amount}
          onChange={(event) => change({ amount: event.target.value })}
        />
      </Field>
    </div>
  )
}

function Then({ form, change }: Part): ReactElement {
  const outcome = OUTCOMES.find(
    ({ effect, tier }) =>
      effect === form.effect && (effect !== 'require_approval' || tier === form.tier),
  )
  const asks = form.effect === 'require_approval'
  return (
    <div className="flex flex-col gap-3">
      <div className={`grid gap-2 ${asks ? 'sm:grid-cols-2' : ''}`}>
        <Field label="then it">
          <select
            className="field"
            value={outcome?.value}
            onChange={({ target }) => {
              const chosen = OUTCOMES.find(({ value }) => value === target.value)
              if (chosen !== undefined) change({ effect: chosen.effect, tier: chosen.tier })
            }}
          >
            {OUTCOMES.map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </Field>
        {asks ? (
          <Field label="of somebody with the role">
            <input
              className="field data"
              placeholder="any approver"
              value={form.roles}
              onChange={(event) => change({ roles: event.target.value })}
            />
          </Field>
        ) : null}
      </div>
      <Field label="because">
        <input
          className="field"
          placeholder="Refunds over 100 EUR need a second pair of eyes"
          value={form.reason}
          onChange={(event) => change({ reason: event.target.value })}
        />
      </Field>
    </div>
  )
}

function toggled(list: readonly Operation[], one: Operation): readonly Operation[] {
  return list.includes(one) ? list.filter((other) => other !== one) : [...list, one]
}

function Field(props: {
  readonly label: string
  readonly hint?: string
  readonly children: ReactNode
}): ReactElement {
  return (
    <label className="flex min-w-0 flex-col gap-1">
      <span className="label">{props.label}</span>
      {props.children}
      {props.hint === undefined ? null : <span className="text-sm text-soft">{props.hint}</span>}
    </label>
  )
}
