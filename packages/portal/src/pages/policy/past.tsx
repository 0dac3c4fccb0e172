import { ago } from '@trustgw/card'
import type { Flip } from '@trustgw/core'
import type { ReactElement } from 'react'
import { useNow, usePortal } from '../../app/context.ts'
import { flipRows } from '../../logic/flips.ts'
import { verdictWords } from '../../logic/policy-words.ts'
import type { RecordedProposal } from '../../logic/recorded.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { useDeskState } from './desk-context.ts'
import { Arrow, Chip, Panel, Working } from './panel.tsx'

const FLIPS_SHOWN_MAX = 100

/** Which proposals of the past the draft would have decided otherwise. */
export function Past(props: {
  readonly onTry: (recorded: RecordedProposal) => void
}): ReactElement | null {
  const { judged, recorded } = useDeskState()
  const { replay } = judged
  if (recorded.kind === 'hidden') return null
  const flips = flipRows(replay?.flips ?? [], recorded.actions)
  const wider = flips.filter(({ flip }) => flip.direction === 'wider').length
  const chip =
    replay === undefined ? null : (
      <Chip tone={wider > 0 ? 'bad' : flips.length > 0 ? 'good' : 'plain'}>
        {flips.length} of {replay.decided} otherwise
      </Chip>
    )
  return (
    <Panel title="Past proposals" aside={chip}>
      {recorded.kind === 'failed' ? (
        <p className="font-semibold text-red">The recorded proposals could not be fetched.</p>
      ) : replay === undefined ? (
        <Pending />
      ) : (
        <>
          <Sentences truncated={recorded.truncated} />
          {flips.length === 0 ? null : (
            <ul className="border-t border-line">
              {flips.slice(0, FLIPS_SHOWN_MAX).map(({ flip, proposal }) => (
                <FlipRow key={flip.action_id} flip={flip} proposal={proposal} onTry={props.onTry} />
              ))}
            </ul>
          )}
          {flips.length > FLIPS_SHOWN_MAX ? (
            <p className="text-soft">And {flips.length - FLIPS_SHOWN_MAX} more.</p>
          ) : null}
        </>
      )}
    </Panel>
  )
}

function Pending(): ReactElement {
  const { judged } = useDeskState()
  const broken = (judged.findings?.length ?? 0) > 0
  if (broken || judged.outcome === 'failed') {
    return <p className="text-soft">Decided again once the draft loads.</p>
  }
  return <Working text="Deciding them again…" />
}

function Sentences({ truncated }: { readonly truncated: boolean }): ReactElement {
  const { replay } = useDeskState().judged
  const decided = replay?.decided ?? 0
  const uncertain = replay?.uncertain.length ?? 0
  const undecidable = replay?.undecidable.length ?? 0
  if (decided + undecidable === 0) {
    return <p className="text-soft">Nothing was proposed yet, so there is nothing to try it on.</p>
  }
  return (
    <p className="text-soft">
      {truncated ? 'The newest ' : 'All '}
      {decided} recorded proposals were decided again.
      {uncertain === 0 ? '' : ` Of ${uncertain} the record lacks a fact, which counts as unknown.`}
      {undecidable === 0 ? '' : ` ${undecidable} cannot be decided again.`}
    </p>
  )
}

function FlipRow(props: {
  readonly flip: Flip
  readonly proposal: RecordedProposal
  readonly onTry: (recorded: RecordedProposal) => void
}): ReactElement {
  const { flip, proposal, onTry } = props
  const now = useNow(usePortal().serverNow, 30_000)
  const isWider = flip.direction === 'wider'
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 border-b border-line py-2.5">
      <p className="min-w-0 truncate">
        <span className="data font-semibold">
          <Hardened text={proposal.decision.tool_id} />
        </span>{' '}
        <span className="font-semibold whitespace-nowrap">{proposal.amount ?? ''}</span>
      </p>
      <button
        type="button"
        className="link justify-self-end text-sm"
        onClick={() => onTry(proposal)}
      >
        Explain
        <span className="sr-only"> {proposal.decision.tool_id}</span>
      </button>
      <p className={`flex flex-wrap items-center gap-x-2 ${isWider ? 'text-red' : 'text-green'}`}>
        <span className="font-semibold">{isWider ? 'Wider:' : 'Stricter:'}</span>
        <Arrow before={verdictWords(flip.before)} after={verdictWords(flip.after)} />
      </p>
      <p className="text-right text-sm whitespace-nowrap text-soft">{ago(proposal.at, now)}</p>
      <p className="col-span-full truncate text-sm text-soft">
        <Hardened text={proposal.decision.principal.subject} />, by rule{' '}
        <span className="data">
          <Hardened text={flip.after.rule_id} />
        </span>
      </p>
    </li>
  )
}
