import { ago } from '@trustgw/card'
import type { ExplainedLimit, ExplainedLine, ExplainedRule } from '@trustgw/core'
import { type ReactElement, type ReactNode, useId, useState } from 'react'
import { usePortal } from '../../app/context.ts'
import type { Tried } from '../../logic/policy-judge.ts'
import { verdictWords } from '../../logic/policy-words.ts'
import { formOf, proposalOf, type TryForm, type TryRefusal } from '../../logic/try-form.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { Icon } from '../../ui/icons.tsx'
import { useDesk, useDeskState } from './desk-context.ts'
import { Panel, Working } from './panel.tsx'

const RECORDED_LISTED_MAX = 100

const PROBLEMS: Readonly<Record<TryRefusal, string>> = {
  tool_unknown: 'No registered tool has this id, and none was recorded with it.',
  args_unreadable: 'The arguments are not strict JSON.',
  args_no_object: 'The arguments are not a JSON object.',
}

/** One proposal, decided by the draft, with every line that had a say. */
export function TryPanel({ form, onForm }: FormPart): ReactElement {
  const desk = useDesk()
  const portal = usePortal()
  const { answer, tried } = useDeskState()
  const [problem, setProblem] = useState<string | undefined>()
  const decide = (): void => {
    const proposal = proposalOf(form, answer?.tools ?? [], portal.serverNow())
    const refusal = typeof proposal === 'string' ? proposal : undefined
    setProblem(refusal === undefined ? undefined : PROBLEMS[refusal])
    if (typeof proposal !== 'string') desk.tryProposal(proposal)
  }
  return (
    <Panel title="Try a proposal">
      <form
        aria-label="A proposal to try"
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          decide()
        }}
      >
        <ChooseRecorded form={form} onForm={onForm} />
        <Fields form={form} onForm={onForm} />
        {problem === undefined ? null : (
          <p role="alert" className="font-semibold text-red">
            {problem}
          </p>
        )}
        <button type="submit" className="button self-start">
          Decide it by this draft
        </button>
      </form>
      <div aria-live="polite">
        <Outcome tried={tried} />
      </div>
    </Panel>
  )
}

interface FormPart {
  readonly form: TryForm
  readonly onForm: (form: TryForm) => void
}

function Fields({ form, onForm }: FormPart): ReactElement {
  const desk = useDesk()
  const { answer } = useDeskState()
  const change = (part: Partial<TryForm>): void => {
    desk.forgetTried()
    onForm({ ...form, ...part })
  }
  return (
    <>
      <Field label="Tool">
        <input
          className="field data"
          list="try-tools"
          value={form.tool}
          onChange={(event) => change({ tool: event.target.value })}
        />
        <datalist id="try-tools">
          {answer?.tools.map(({ id, title }) => (
            <option key={id} value={id}>
              {title}
            </option>
          ))}
        </datalist>
      </Field>
      <Field label="Arguments, as JSON">
        <textarea
          className="field data min-h-28"
          spellCheck={false}
          value={form.args}
          onChange={(event) => change({ args: event.target.value })}
        />
      </Field>
      <div className="grid grid-cols-3 gap-2">
        {(['agent', 'user', 'workspace'] as const).map((name) => (
          <Field key={name} label={WHO[name]}>
            <input
              className="field data"
              value={form[name]}
              onChange={(event) => change({ [name]: event.target.value })}
            />
          </Field>
        ))}
      </div>
    </>
  )
}

const WHO = { agent: 'Agent', user: 'On behalf of', workspace: 'Workspace' } as const

function ChooseRecorded(props: FormPart): ReactElement | null {
  const desk = useDesk()
  const { recorded } = useDeskState()
  const now = usePortal().serverNow()
  if (recorded.actions.length === 0) return null
  return (
    <Field label="A recorded one">
      <select
        className="field"
        value={props.form.recorded?.action_id ?? ''}
        onChange={({ target }) => {
          const chosen = recorded.actions.find(({ action_id }) => action_id === target.value)
          desk.forgetTried()
          props.onForm(chosen === undefined ? { ...props.form, recorded: null } : formOf(chosen))
        }}
      >
        <option value="">None: typed here</option>
        {recorded.actions.slice(0, RECORDED_LISTED_MAX).map((one) => (
          <option key={one.action_id} value={one.action_id}>
            {[one.decision.tool_id, one.amount ?? '', ago(one.at, now)]
              .filter((part) => part !== '')
              .join(' · ')}
          </option>
        ))}
      </select>
    </Field>
  )
}

function Field(props: { readonly label: string; readonly children: ReactNode }): ReactElement {
  return (
    <label className="flex min-w-0 flex-col gap-1">
      <span className="label">{props.label}</span>
      {props.children}
    </label>
  )
}

function Outcome({
  tried,
}: {
  readonly tried: Tried | null | 'failed' | 'working' | undefined
}): ReactElement | null {
  if (tried === undefined) return null
  if (tried === 'working') return <Working text="Deciding…" />
  if (tried === 'failed') {
    return <p className="font-semibold text-red">It could not be decided in this browser.</p>
  }
  if (tried === null) {
    return <p className="font-semibold text-red">The draft does not load, so it decides nothing.</p>
  }
  return <Explained tried={tried} />
}

function Explained({ tried }: { readonly tried: Tried }): ReactElement {
  const { decision, rules, limits, change } = tried.explanation
  const inForce = tried.inForce
  const differs =
    inForce !== null && (inForce.effect !== decision.effect || inForce.tier !== decision.tier)
  return (
    <div className="flex flex-col gap-3">
      <div className="sheet px-4 py-3">
        <p className="text-lg font-semibold">It {verdictWords(decision)}</p>
        <p className="text-soft">
          <Hardened text={decision.reason} />
        </p>
        {differs ? (
          <p className="mt-1 font-semibold text-amber">
            The policy in force says: it {verdictWords(inForce)}.
          </p>
        ) : null}
      </div>
      {rules.length === 0 ? (
        <p className="text-soft">No rule is over this tool, so the default decides.</p>
      ) : (
        <ul className="flex flex-col gap-3">
          {rules.map((rule) => (
            <RuleLines key={`${rule.layer} ${rule.id}`} rule={rule} decidedBy={decision.rule_id} />
          ))}
        </ul>
      )}
      {limits.length === 0 ? null : (
        <ul aria-label="Limits" className="flex flex-col gap-3">
          {limits.map((limit) => (
            <LimitLines
              key={`${limit.layer} ${limit.id}`}
              limit={limit}
              decidedBy={decision.rule_id}
            />
          ))}
        </ul>
      )}
      <SmallestChange change={change} />
    </div>
  )
}

function SmallestChange({
  change,
}: {
  readonly change: Tried['explanation']['change']
}): ReactElement | null {
  if (change === null || change.length === 0) return null
  return (
    <p>
      It would run at once with{' '}
      {change.map(({ pointer, to }, index) => (
        <span key={pointer}>
          {index === 0 ? '' : ' and '}
          <span className="data font-semibold">
            <Hardened text={`${pointer} = ${JSON.stringify(to)}`} />
          </span>
        </span>
      ))}
      .
    </p>
  )
}

const TRUTHS = {
  true: { icon: 'check', look: 'text-green', words: 'holds' },
  false: { icon: 'cross', look: 'text-soft', words: 'does not hold' },
  unknown: { icon: 'question', look: 'text-amber', words: 'unknown' },
} as const

function RuleLines(props: {
  readonly rule: ExplainedRule
  readonly decidedBy: string
}): ReactElement {
  const { rule } = props
  const name = nameOf(rule)
  return (
    <Reasoned
      name={name}
      about={`priority ${rule.priority}: ${verdictWords(rule)}`}
      decides={rule.stands && name === props.decidedBy}
      lines={rule.lines}
    />
  )
}

/** What a counter holds is the gateway's word, so it is known of recorded proposals at most. */
function LimitLines(props: {
  readonly limit: ExplainedLimit
  readonly decidedBy: string
}): ReactElement {
  const { limit } = props
  const name = nameOf(limit)
  const most = [
    limit.max_count === null ? [] : [`${limit.max_count} times`],
    limit.max_amount === null ? [] : [limit.max_amount],
  ].flat()
  const counted = limit.counter === null ? 'the counter is not known here' : asText(limit.counter)
  return (
    <Reasoned
      name={name}
      about={`limit of ${most.join(' and ')}: beyond it ${verdictWords(limit)}; ${counted}`}
      decides={limit.is_exceeded && name === props.decidedBy}
      lines={limit.lines}
    />
  )
}

const nameOf = ({ layer, id }: { readonly layer: string; readonly id: string }): string =>
  layer === 'platform' ? id : `${layer}:${id}`

function Reasoned(props: {
  readonly name: string
  readonly about: string
  readonly decides: boolean
  readonly lines: readonly ExplainedLine[]
}): ReactElement {
  const { name, about, decides, lines } = props
  const id = useId()
  return (
    <li
      aria-labelledby={id}
      className={`border-l-4 pl-3.5 ${decides ? 'border-brand' : 'border-line'}`}
    >
      <p id={id} className="flex flex-wrap items-baseline gap-x-2">
        <span className="data font-semibold">
          <Hardened text={name} />
        </span>
        <span className="text-sm text-soft">{about}</span>
        {decides ? <span className="chip bg-brand-wash text-brand">decides</span> : null}
      </p>
      <ul className="mt-1 flex flex-col gap-1">
        {lines.map((line) => (
          <LineOf key={line.line} line={line} />
        ))}
      </ul>
    </li>
  )
}

function LineOf({ line }: { readonly line: ExplainedLine }): ReactElement {
  const { icon, look, words } = TRUTHS[`${line.truth}`]
  return (
    <li className="flex items-start gap-2">
      <Icon name={icon} size={16} className={`mt-1 ${look}`} />
      <span className="sr-only">{words}: </span>
      <span className="min-w-0">
        <span className="data">
          <Hardened text={line.line} />
        </span>{' '}
        <span className="text-sm text-soft">
          {line.value === null ? (
            'here there is none'
          ) : (
            <>
              here <Hardened text={asText(line.value)} />
            </>
          )}
        </span>
      </span>
    </li>
  )
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
