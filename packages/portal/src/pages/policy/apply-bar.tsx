import { type ReactElement, type ReactNode, useEffect, useRef, useState } from 'react'
import { mayAllowMore } from '../../logic/applying.ts'
import { sameDraft } from '../../logic/policy-draft.ts'
import type { SealableBundle } from '../../logic/policy-seal.ts'
import { takeUpWords } from '../../logic/policy-status.ts'
import { changeWords, doubtWords, exampleWords } from '../../logic/policy-words.ts'
import type { Applying } from '../../state/policy-desk-state.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { Icon } from '../../ui/icons.tsx'
import { Notice } from '../../ui/notice.tsx'
import { useDesk, useDeskState } from './desk-context.ts'
import { Working } from './panel.tsx'

const WIDENINGS_SHOWN_MAX = 6

/** The way of a draft into force, always in sight while there is one to go. */
export function ApplyBar(): ReactElement | null {
  const desk = useDesk()
  const { draft, base, applying } = useDeskState()
  const isIdle = applying.kind === 'idle'
  if (!desk.isAdmin() || (isIdle && sameDraft(draft, base))) return null
  return (
    <section
      aria-label="Apply the policy"
      className="sticky bottom-14 z-10 max-h-[75dvh] overflow-y-auto border-t border-line bg-raised px-4 py-4 lg:bottom-0 lg:px-8"
    >
      <Step applying={applying} />
    </section>
  )
}

function Step({ applying }: { readonly applying: Applying }): ReactElement {
  const desk = useDesk()
  switch (applying.kind) {
    case 'idle':
      return <Draft />
    case 'preparing':
      return <Working text="Making the bundle…" />
    case 'ready':
      return <Review sealable={applying.sealable} />
    case 'passkey':
      return <Working text="Waiting for your approval passkey…" />
    case 'sending':
      return <Working text="Sending…" />
    case 'taking_up':
      return <TakingUp applying={applying} />
    case 'failed':
      return (
        <div className="flex flex-col gap-3">
          <Notice tone="bad" title={applying.sentence} alert />
          <Buttons>
            <button type="button" className="button" onClick={() => desk.cancelApplying()}>
              Back to the draft
            </button>
          </Buttons>
        </div>
      )
  }
}

function Buttons({ children }: { readonly children: ReactNode }): ReactElement {
  return <div className="flex flex-wrap justify-end gap-2 sm:gap-3">{children}</div>
}

function Draft(): ReactElement {
  const desk = useDesk()
  const { judged, isStale } = useDeskState()
  const errors = judged.findings?.length ?? 0
  const isReady = errors === 0 && judged.outcome !== 'working' && !isStale
  return (
    <div className="flex flex-wrap items-center gap-2 sm:gap-3">
      <p className="flex-1 basis-56 font-semibold">
        <DraftWords />
      </p>
      <button type="button" className="button whitespace-nowrap" onClick={() => desk.reset()}>
        <Icon name="undo" />
        Undo all
      </button>
      <button
        type="button"
        className="button button-primary whitespace-nowrap max-sm:flex-1"
        disabled={!isReady}
        onClick={() => void desk.prepare()}
      >
        Review and apply…
      </button>
    </div>
  )
}

function DraftWords(): ReactElement {
  const { judged, isStale } = useDeskState()
  if (isStale) {
    return (
      <span className="text-red">
        Another policy came into force since. Undo all, then change that one.
      </span>
    )
  }
  if ((judged.findings?.length ?? 0) > 0) return <>This draft does not load yet.</>
  if (judged.outcome === 'working') return <>Checking your draft…</>
  return mayAllowMore(judged) ? (
    <span className="text-red">Your draft allows more than the policy in force.</span>
  ) : (
    <>Your draft allows nothing that was not allowed before.</>
  )
}

/** Exactly what is signed, and what it lets through. */
function Review({ sealable }: { readonly sealable: SealableBundle }): ReactElement {
  const desk = useDesk()
  const { judged } = useDeskState()
  const title = useRef<HTMLHeadingElement>(null)
  const [understood, setUnderstood] = useState(false)
  useEffect(() => title.current?.focus(), [])
  const more = mayAllowMore(judged)
  return (
    <div className="flex flex-col gap-4">
      <h2 ref={title} tabIndex={-1} className="text-lg font-semibold outline-none">
        Put epoch {sealable.bundle.epoch} in force
      </h2>
      <dl className="grid gap-x-6 gap-y-1 sm:grid-cols-[auto_minmax(0,1fr)]">
        <dt className="label">Bundle</dt>
        <dd className="data">{sealable.bundle_hash}</dd>
        <dt className="label">Holds</dt>
        <dd>
          {sealable.bundle.policies.map(({ file }, index) => (
            <span key={file}>
              {index === 0 ? '' : ', '}
              <span className="data">
                <Hardened text={file} />
              </span>
            </span>
          ))}
        </dd>
      </dl>
      <Widenings />
      {more ? (
        <label className="flex items-center gap-3 font-semibold text-red">
          <input
            type="checkbox"
            className="size-5 accent-brand"
            checked={understood}
            onChange={(event) => setUnderstood(event.target.checked)}
          />
          I understand that this allows more
        </label>
      ) : null}
      <Buttons>
        <button type="button" className="button" onClick={() => desk.cancelApplying()}>
          Back to the draft
        </button>
        <button
          type="button"
          className="button button-primary"
          disabled={more && !understood}
          onClick={() => void desk.seal()}
        >
          <Icon name="key" />
          Seal with passkey
        </button>
      </Buttons>
    </div>
  )
}

function Widenings(): ReactElement | null {
  const { judged } = useDeskState()
  if (judged.outcome === 'failed') {
    return (
      <p className="text-red">
        This browser could not compare it with the policy in force, so it counts as allowing more.
      </p>
    )
  }
  const layers = judged.layers?.list ?? []
  const lines = layers.flatMap(({ key, diff }) => [
    ...diff.widens.map((region) => ({
      id: `${key} ${JSON.stringify(region.lines)}`,
      text: `${capital(changeWords(region))}, ${exampleWords(region.example)}`,
    })),
    ...diff.doubts.map((doubt) => ({
      id: `${key} ${doubt.why}`,
      text: `It may allow more: ${doubtWords(doubt)}`,
    })),
  ])
  if (lines.length === 0) return null
  return (
    <ul className="flex flex-col gap-1">
      {lines.slice(0, WIDENINGS_SHOWN_MAX).map(({ id, text }) => (
        <li key={id} className="flex items-start gap-2 text-red">
          <Icon name="warning" size={16} className="mt-1" />
          <span className="min-w-0">
            <Hardened text={text} />
          </span>
        </li>
      ))}
      {lines.length > WIDENINGS_SHOWN_MAX ? (
        <li className="text-red">And {lines.length - WIDENINGS_SHOWN_MAX} more.</li>
      ) : null}
    </ul>
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function TakingUp({
  applying,
}: {
  readonly applying: Extract<Applying, { kind: 'taking_up' }>
}): ReactElement {
  const desk = useDesk()
  const { epoch, takeUp, isOver } = applying
  const late = takeUp.filter(({ state }) => state !== 'taken_up')
  const isDone = isOver && late.length === 0 && takeUp.length > 0
  const title = useRef<HTMLHeadingElement>(null)
  useEffect(() => title.current?.focus(), [])
  return (
    <div className="flex flex-col gap-3">
      <h2 ref={title} tabIndex={-1} className="text-lg font-semibold outline-none">
        {isDone ? `Epoch ${epoch} is in force` : `Epoch ${epoch} is stored`}
      </h2>
      {takeUp.length === 0 && isOver ? (
        <p className="text-red">Nobody could be asked who decides by it.</p>
      ) : null}
      <ul className="flex flex-col gap-1.5">
        {takeUp.map((one) => {
          const isTaken = one.state === 'taken_up'
          const isBad = one.state === 'refused' || (isOver && !isTaken)
          return (
            <li key={one.name} className="flex items-center gap-2.5">
              {isTaken || isBad ? (
                <Icon
                  name={isTaken ? 'check' : 'warning'}
                  className={isTaken ? 'text-green' : 'text-red'}
                />
              ) : (
                <span
                  aria-hidden="true"
                  className="spin size-4 rounded-full border-2 border-line border-t-brand"
                />
              )}
              <span className="font-semibold">{one.name}</span>
              <span className="text-soft">{takeUpWords(one)}</span>
            </li>
          )
        })}
      </ul>
      {isOver && !isDone ? (
        <p>
          The banner stays until all of them decide by it. An executor believes only the passkeys
          that are pinned with it.
        </p>
      ) : null}
      {isOver ? (
        <Buttons>
          <button type="button" className="button" onClick={() => desk.cancelApplying()}>
            Close
          </button>
        </Buttons>
      ) : null}
    </div>
  )
}
