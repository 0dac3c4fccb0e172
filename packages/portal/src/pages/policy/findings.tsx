import { type ReactElement, type ReactNode, useMemo } from 'react'
import { oddLines } from '../../logic/odd-lines.ts'
import type { PlacedCheck, PlacedFinding } from '../../logic/policy-judge.ts'
import { checkWords } from '../../logic/policy-words.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { Icon } from '../../ui/icons.tsx'
import { useDeskState } from './desk-context.ts'
import { Chip, Panel, Working } from './panel.tsx'

const SHOWN_MAX = 50

export interface Place {
  /** Key of the policy; empty: of none in particular. */
  readonly key: string
  readonly line: number | null
}

type GoTo = (place: Place) => void

/** What refuses the draft, or what is odd in it. Each leads to its line. */
export function Findings(props: {
  readonly selected: string
  readonly text: string
  readonly onGo: GoTo
}): ReactElement {
  const { judged } = useDeskState()
  const errors = judged.findings ?? []
  const checks = judged.checks?.list ?? []
  const odd = useMemo(() => oddLines(props.text), [props.text])
  const isWorking = judged.outcome === 'working'
  const summary = summaryOf(errors, checks.length + odd.length, isWorking)
  return (
    <Panel isFirst title="Findings" aside={<Chip tone={summary.tone}>{summary.text}</Chip>}>
      <p role="status" aria-live="polite" className="sr-only">
        {isWorking ? '' : summary.spoken}
      </p>
      {errors.length > 0 ? <Errors errors={errors} onGo={props.onGo} /> : null}
      {odd.map(({ line, text }) => (
        <Row key={`odd ${line}`} tone="bad" place={{ key: props.selected, line }} onGo={props.onGo}>
          Invisible or odd characters: <Hardened text={text} />
        </Row>
      ))}
      {errors.length > 0 ? null : <Checks checks={checks} onGo={props.onGo} />}
      {isWorking && errors.length === 0 ? <Working text="Looking at every rule…" /> : null}
      {!isWorking && errors.length + checks.length + odd.length === 0 ? (
        <p className="text-soft">
          It loads. No rule is shadowed, none contradict each other, and every registered tool is
          covered.
        </p>
      ) : null}
    </Panel>
  )
}

interface Summary {
  readonly tone: 'good' | 'bad' | 'warn' | 'plain'
  readonly text: string
  readonly spoken: string
}

function summaryOf(errors: readonly PlacedFinding[], odd: number, isWorking: boolean): Summary {
  const [first] = errors
  if (first !== undefined) {
    const text = errors.length === 1 ? '1 error' : `${errors.length} errors`
    const spoken = `${text}. Line ${first.finding.line}: ${first.finding.message}`
    return { tone: 'bad', text, spoken }
  }
  if (odd > 0) {
    const text = odd === 1 ? '1 to look at' : `${odd} to look at`
    return { tone: 'warn', text, spoken: `The policy loads. ${text}.` }
  }
  if (isWorking) return { tone: 'plain', text: 'Checking', spoken: '' }
  return { tone: 'good', text: 'Nothing odd', spoken: 'The policy loads. Nothing odd.' }
}

function Errors(props: {
  readonly errors: readonly PlacedFinding[]
  readonly onGo: GoTo
}): ReactElement {
  const { errors, onGo } = props
  return (
    <>
      {errors.slice(0, SHOWN_MAX).map(({ key, finding }) => (
        <Row
          key={`${key} ${finding.line} ${finding.column} ${finding.message}`}
          tone="bad"
          place={{ key, line: finding.line }}
          column={finding.column}
          onGo={onGo}
        >
          {finding.key === '' ? null : (
            <span className="data font-semibold">
              <Hardened text={finding.key} />:{' '}
            </span>
          )}
          <Hardened text={finding.message} />
          {finding.nearest === undefined ? null : (
            <>
              {'. '}
              Did you mean <strong>{finding.nearest}</strong>?
            </>
          )}
        </Row>
      ))}
      <More count={errors.length - SHOWN_MAX} />
      <p className="text-soft">
        A policy that does not load is never applied: what is in force stays.
      </p>
    </>
  )
}

function Checks(props: {
  readonly checks: readonly PlacedCheck[]
  readonly onGo: GoTo
}): ReactElement {
  const { checks, onGo } = props
  return (
    <>
      {checks.slice(0, SHOWN_MAX).map(({ key, line, finding }, index) => {
        const { tone, parts } = checkWords(finding)
        return (
          <Row key={`${index} ${key}`} tone={tone} place={{ key, line }} onGo={onGo}>
            {parts.map((part, at) =>
              at % 2 === 0 ? (
                <span key={`${at}`}>{part}</span>
              ) : (
                <strong key={`${at}`} className="data">
                  <Hardened text={part} />
                </strong>
              ),
            )}
          </Row>
        )
      })}
      <More count={checks.length - SHOWN_MAX} />
    </>
  )
}

function More({ count }: { readonly count: number }): ReactElement | null {
  return count > 0 ? <p className="text-soft">And {count} more.</p> : null
}

const LOOKS = { bad: 'text-red', warn: 'text-amber', plain: 'text-soft' } as const

function Row(props: {
  readonly tone: keyof typeof LOOKS
  readonly place: Place
  readonly column?: number
  readonly onGo: GoTo
  readonly children: ReactNode
}): ReactElement {
  const { tone, place, column, onGo } = props
  return (
    <div className="flex items-start gap-2.5">
      <Icon
        name={tone === 'plain' ? 'question' : 'warning'}
        size={16}
        className={`mt-1 ${LOOKS[tone]}`}
      />
      <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">{props.children}</p>
      {place.line === null ? null : (
        <button type="button" className="link shrink-0 text-sm" onClick={() => onGo(place)}>
          <span className="sr-only">Go to </span>
          Line {place.line}
          {column === undefined ? '' : `:${column}`}
        </button>
      )}
    </div>
  )
}
