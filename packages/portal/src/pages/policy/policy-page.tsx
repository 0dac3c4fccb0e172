import {
  type ReactElement,
  type RefObject,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { usePortal } from '../../app/context.ts'
import { useShortcuts } from '../../app/shortcuts.ts'
import { policyAt, policyKey, withoutLayer, withText } from '../../logic/policy-draft.ts'
import { layerWords } from '../../logic/policy-words.ts'
import { withRule } from '../../logic/rule-form.ts'
import { EMPTY_TRY, formOf, type TryForm } from '../../logic/try-form.ts'
import { policyDeskOf } from '../../state/policy-desk.ts'
import { Icon } from '../../ui/icons.tsx'
import { Blank, Notice, Waiting } from '../../ui/notice.tsx'
import { ApplyBar } from './apply-bar.tsx'
import { Changes } from './changes.tsx'
import { DeskContext, useDesk, useDeskState } from './desk-context.ts'
import { Editor, goToLine, type LineMark } from './editor.tsx'
import { Findings, type Place } from './findings.tsx'
import { Layers } from './layers.tsx'
import { Past } from './past.tsx'
import { PolicyHead } from './policy-head.tsx'
import { AddRule } from './rule-form.tsx'
import { TryPanel } from './try.tsx'

/** Write a rule, see what it changes, try it, apply it. */
export function PolicyPage(): ReactElement {
  const portal = usePortal()
  const desk = policyDeskOf(portal)
  useEffect(() => {
    void desk.open()
    return () => desk.close()
  }, [desk])
  return (
    <DeskContext value={desk}>
      <Loaded />
    </DeskContext>
  )
}

function Loaded(): ReactElement {
  const desk = useDesk()
  const { phase, problem, answer, draft } = useDeskState()
  if (phase === 'loading') return <Waiting text="Fetching the policy…" page="Policy" />
  if (phase === 'failed') {
    return (
      <Blank title="The policy could not be fetched" page="Policy">
        <p>{problem}</p>
        <button type="button" className="button mt-5" onClick={() => void desk.load()}>
          Try again
        </button>
      </Blank>
    )
  }
  return (
    <div className="flex min-h-full flex-col">
      <div className="flex-1 py-5 sm:px-4 lg:px-8 lg:py-6">
        <PolicyHead />
        {problem === undefined ? null : (
          <div className="mt-4">
            <Notice tone="bad" title={problem} alert />
          </div>
        )}
        {draft.length === 0 ? <Nothing isUnreadable={answer?.policies === null} /> : <Workbench />}
      </div>
      <ApplyBar />
    </div>
  )
}

function Nothing({ isUnreadable }: { readonly isUnreadable: boolean }): ReactElement {
  return (
    <Blank title={isUnreadable ? 'The policies cannot be shown' : 'No policy is in force'}>
      <p>
        {isUnreadable
          ? 'What is stored cannot be unpacked here. Look at it with the command line.'
          : 'Every proposal is refused until the operator puts one in force with the command line.'}
      </p>
    </Blank>
  )
}

function Workbench(): ReactElement {
  const area = useRef<HTMLTextAreaElement>(null)
  const { draft } = useDeskState()
  const [wanted, setSelected] = useState('platform')
  const [form, setForm] = useState<TryForm>(EMPTY_TRY)
  const tryPart = useRef<HTMLDivElement>(null)
  const pendingLine = useRef<number | undefined>(undefined)
  const policy = policyAt(draft, wanted) ?? draft[0]
  const selected = policy === undefined ? wanted : policyKey(policy)
  useEffect(() => {
    // The line asked for may be in another layer, whose text is in the field only now.
    if (pendingLine.current === undefined) return
    goToLine(area.current, pendingLine.current)
    pendingLine.current = undefined
  })
  const go = useCallback((place: Place) => {
    pendingLine.current = place.line ?? 1
    setSelected((now) => (place.key === '' ? now : place.key))
    // The same layer: nothing renders anew, so it is done here.
    requestAnimationFrame(() => {
      if (pendingLine.current === undefined) return
      goToLine(area.current, pendingLine.current)
      pendingLine.current = undefined
    })
  }, [])
  return (
    <div className="mt-4 grid gap-x-8 gap-y-6 lg:grid-cols-[minmax(0,1.25fr)_minmax(0,1fr)]">
      <Writing area={area} selected={selected} onSelect={setSelected} onGo={go} />
      <div className="min-w-0 px-4 sm:px-0">
        <Findings selected={selected} text={policy?.text ?? ''} onGo={go} />
        <Changes />
        <Past
          onTry={(recorded) => {
            setForm(formOf(recorded))
            tryPart.current?.scrollIntoView({ block: 'start' })
            tryPart.current?.querySelector('select')?.focus({ preventScroll: true })
          }}
        />
        <div ref={tryPart}>
          <TryPanel form={form} onForm={setForm} />
        </div>
      </div>
    </div>
  )
}

function Writing(props: {
  readonly area: RefObject<HTMLTextAreaElement | null>
  readonly selected: string
  readonly onSelect: (key: string) => void
  readonly onGo: (place: Place) => void
}): ReactElement {
  const { area, selected, onSelect, onGo } = props
  const desk = useDesk()
  const { draft, answer, applying } = useDeskState()
  const [adding, setAdding] = useState(false)
  const policy = policyAt(draft, selected)
  const isAdmin = desk.isAdmin()
  const isBusy =
    applying.kind !== 'idle' && applying.kind !== 'failed' && applying.kind !== 'taking_up'
  const edit = useCallback((): void => area.current?.focus(), [area])
  const add = useCallback((): void => {
    if (isAdmin) setAdding(true)
  }, [isAdmin])
  useShortcuts(useMemo(() => ({ e: edit, r: add }), [edit, add]))
  const marks = useMarks(selected)
  return (
    <div className="flex min-w-0 flex-col self-start lg:sticky lg:top-[calc(var(--banner)+1.5rem)] lg:h-[calc(100dvh-var(--banner)-9.5rem)]">
      <Layers selected={selected} onSelect={onSelect} />
      {adding && !isBusy ? (
        <AddRule
          tools={answer?.tools ?? []}
          onClose={() => setAdding(false)}
          onAdd={(form) => {
            const added = withRule(policy?.text ?? '', form)
            desk.edit(withText(draft, selected, added.text))
            setAdding(false)
            onGo({ key: selected, line: added.line })
          }}
        />
      ) : null}
      <Toolbar selected={selected} adding={adding} onAdd={() => setAdding(!adding)} />
      <Editor
        area={area}
        label={`Policy of the layer ${selected}, TOML`}
        text={policy?.text ?? ''}
        marks={marks}
        readOnly={!isAdmin || isBusy}
        onText={(text) => desk.edit(withText(draft, selected, text))}
      />
      <p id="editor-hint" className="px-4 pt-1.5 text-sm text-soft sm:px-0">
        {isAdmin
          ? 'Tab indents. Press Esc, then Tab, to leave the editor.'
          : 'Only people with the role admin can change the policy.'}
      </p>
    </div>
  )
}

function Toolbar(props: {
  readonly selected: string
  readonly adding: boolean
  readonly onAdd: () => void
}): ReactElement {
  const desk = useDesk()
  const { draft } = useDeskState()
  const policy = policyAt(draft, props.selected)
  const isAdmin = desk.isAdmin()
  return (
    <div className="flex min-h-11 items-center gap-2 border-t border-edge bg-sunken px-3 sm:rounded-t-xl sm:border-x">
      <span className="data min-w-0 flex-1 truncate text-soft">{policy?.file}</span>
      {isAdmin && policy !== undefined && policy.layer !== 'platform' ? (
        <button
          type="button"
          className="button button-quiet text-red"
          onClick={() => desk.edit(withoutLayer(draft, props.selected))}
        >
          Remove
          <span className="sr-only"> the layer {layerWords(policy.layer)}</span>
        </button>
      ) : null}
      {isAdmin ? (
        <button
          type="button"
          className="button button-quiet text-brand"
          aria-expanded={props.adding}
          onClick={props.onAdd}
        >
          <Icon name="plus" size={16} />
          Add a rule
        </button>
      ) : null}
    </div>
  )
}

function useMarks(selected: string): readonly LineMark[] {
  const { judged } = useDeskState()
  return useMemo(() => {
    const errors = (judged.findings ?? [])
      .filter(({ key }) => key === selected)
      .map(({ finding }) => finding.line)
    const odd = (judged.checks?.list ?? [])
      .filter(({ key }) => key === selected)
      .flatMap(({ line }) => line ?? [])
    return [
      ...[...new Set(errors)].map((line) => ({ line, tone: 'bad' as const })),
      ...[...new Set(odd)].map((line) => ({ line, tone: 'warn' as const })),
    ]
  }, [judged, selected])
}
