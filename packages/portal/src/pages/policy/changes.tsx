import type { PolicyDiff, Region } from '@trustgw/core'
import type { ReactElement } from 'react'
import { policyAt, sameDraft } from '../../logic/policy-draft.ts'
import type { LayerDiff } from '../../logic/policy-judge.ts'
import {
  afterWords,
  diffWords,
  doubtWords,
  exampleRows,
  layerWords,
  lineWords,
  verdictWords,
} from '../../logic/policy-words.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { Icon } from '../../ui/icons.tsx'
import { useDeskState } from './desk-context.ts'
import { Arrow, Chip, Panel, type Tone, Working } from './panel.tsx'

const REGIONS_SHOWN_MAX = 20

const TONES: Readonly<Record<PolicyDiff['verdict'], Tone>> = {
  same: 'plain',
  narrower: 'good',
  widens: 'bad',
  may_widen: 'bad',
}

/** What the draft lets through that the policy in force does not, and the other way round. */
export function Changes(): ReactElement {
  const { judged, draft, base } = useDeskState()
  if (sameDraft(draft, base)) {
    return (
      <Panel title="What changes">
        <p className="text-soft">Nothing is changed. This is the policy in force.</p>
      </Panel>
    )
  }
  const { list = [], isWhole = false } = judged.layers ?? {}
  const worst = worstOf(list)
  const isKnown = isWhole || list.length > 0
  return (
    <Panel
      title="What changes"
      aside={isKnown ? <Chip tone={TONES[worst]}>{diffWords(worst)}</Chip> : null}
    >
      {list.map((layer) => (
        <Layer key={layer.key} layer={layer} />
      ))}
      {isWhole && list.length === 0 ? (
        <p className="text-soft">Only comments or the order of lines: every decision stays.</p>
      ) : null}
      {isWhole ? null : <Unfinished />}
    </Panel>
  )
}

function Unfinished(): ReactElement {
  const { judged } = useDeskState()
  if ((judged.findings?.length ?? 0) > 0) {
    return <p className="text-soft">Known once the draft loads.</p>
  }
  if (judged.outcome === 'failed') {
    return (
      <p className="font-semibold text-red">
        The comparison failed in this browser, so the draft counts as one that may allow more.
      </p>
    )
  }
  return <Working text="Comparing with the policy in force…" />
}

function worstOf(layers: readonly LayerDiff[]): PolicyDiff['verdict'] {
  const order = ['same', 'narrower', 'may_widen', 'widens'] as const
  const found = layers.map(({ diff }) => order.indexOf(diff.verdict))
  return order[Math.max(0, ...found)] ?? 'same'
}

function Layer({ layer }: { readonly layer: LayerDiff }): ReactElement {
  const { draft, base } = useDeskState()
  const policy = policyAt(draft, layer.key) ?? policyAt(base, layer.key)
  const { widens, doubts } = layer.diff
  const hasMany = draft.length > 1 || base.length > 1
  return (
    <div className="flex flex-col gap-3">
      {hasMany && policy !== undefined ? (
        <h3 className="font-semibold">
          {layerWords(policy.layer)} <Hardened text={policy.scope ?? ''} />
        </h3>
      ) : null}
      {widens.slice(0, REGIONS_SHOWN_MAX).map((region) => (
        <RegionCard key={keyOf(region)} region={region} tone="bad" />
      ))}
      {widens.length > REGIONS_SHOWN_MAX ? (
        <p className="font-semibold text-red">
          And {widens.length - REGIONS_SHOWN_MAX} more places where it allows more.
        </p>
      ) : null}
      {doubts.map((doubt) => (
        <div key={doubt.why} className="border-l-4 border-red pl-3.5">
          <p className="font-semibold text-red">It may allow more</p>
          <p className="[overflow-wrap:anywhere]">
            <Hardened text={doubtWords(doubt)} />
          </p>
        </div>
      ))}
      <Stricter regions={layer.stricter} />
    </div>
  )
}

function Stricter({ regions }: { readonly regions: readonly Region[] }): ReactElement | null {
  if (regions.length === 0) return null
  return (
    <details>
      <summary className="font-semibold text-green">
        Stricter in {regions.length === 1 ? 'one place' : `${regions.length} places`}
      </summary>
      <div className="mt-3 flex flex-col gap-3">
        {regions.slice(0, REGIONS_SHOWN_MAX).map((region) => (
          <RegionCard key={keyOf(region)} region={region} tone="good" />
        ))}
      </div>
    </details>
  )
}

const keyOf = ({ before, after, lines }: Region): string => JSON.stringify([before, after, lines])

/** In which way proposals are decided otherwise, with the smallest proposal that shows it. */
export function RegionCard(props: {
  readonly region: Region
  readonly tone: 'bad' | 'good'
}): ReactElement {
  const { region, tone } = props
  const isBad = tone === 'bad'
  return (
    <div className={`border-l-4 pl-3.5 ${isBad ? 'border-red' : 'border-green'}`}>
      <p className={`flex items-start gap-2 font-semibold ${isBad ? 'text-red' : 'text-green'}`}>
        <Icon name={isBad ? 'warning' : 'check'} size={16} className="mt-1" />
        <Arrow before={verdictWords(region.before)} after={afterWords(region)} />
      </p>
      <p className="text-sm text-soft">
        By rule <Id text={region.after.rule_id} />, before by <Id text={region.before.rule_id} />
      </p>
      <Example example={region.example} />
      <details className="mt-1.5 text-sm">
        <summary className="text-soft">Where exactly</summary>
        <ul className="data mt-1 flex flex-col gap-0.5">
          {region.lines.map((line) => (
            <li key={line.line}>
              <Hardened text={lineWords(line)} />
            </li>
          ))}
        </ul>
      </details>
    </div>
  )
}

function Id({ text }: { readonly text: string }): ReactElement {
  return (
    <span className="data font-semibold text-ink">
      <Hardened text={text} />
    </span>
  )
}

function Example({ example }: { readonly example: Region['example'] }): ReactElement {
  return (
    <div className="mt-1.5 rounded-lg bg-sunken px-3 py-2 text-sm">
      <p className="label">Smallest example</p>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4">
        {exampleRows(example).map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="data text-soft">
              <Hardened text={name} />
            </dt>
            <dd className="data">
              <Hardened text={value} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
