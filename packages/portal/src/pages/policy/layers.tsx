import { type ReactElement, useId, useState } from 'react'
import {
  LAYERS,
  type LayerRefusal,
  type PolicyText,
  policyAt,
  policyKey,
  withLayer,
} from '../../logic/policy-draft.ts'
import { layerWords } from '../../logic/policy-words.ts'
import { Hardened } from '../../ui/hardened.tsx'
import { Icon } from '../../ui/icons.tsx'
import { useDesk, useDeskState } from './desk-context.ts'

/** The layers, widest first, of which one is open in the editor. */
export function Layers(props: {
  readonly selected: string
  readonly onSelect: (key: string) => void
}): ReactElement {
  const { draft, base, judged } = useDeskState()
  const isAdmin = useDesk().isAdmin()
  const broken = new Set(judged.findings?.map(({ key }) => key))
  return (
    <div className="flex flex-wrap items-center gap-1 px-4 pb-2 sm:px-0">
      <nav aria-label="Layers of the policy" className="flex flex-wrap items-center gap-1">
        {draft.map((policy) => {
          const key = policyKey(policy)
          return (
            <LayerButton
              key={key}
              policy={policy}
              isOpen={key === props.selected}
              isBroken={broken.has(key)}
              isChanged={policyAt(base, key)?.text !== policy.text}
              onOpen={() => props.onSelect(key)}
            />
          )
        })}
      </nav>
      {isAdmin ? <AddLayer onAdded={props.onSelect} /> : null}
    </div>
  )
}

function LayerButton(props: {
  readonly policy: PolicyText
  readonly isOpen: boolean
  readonly isBroken: boolean
  readonly isChanged: boolean
  readonly onOpen: () => void
}): ReactElement {
  const { policy, isOpen, isBroken, isChanged } = props
  return (
    <button
      type="button"
      aria-current={isOpen}
      onClick={props.onOpen}
      className={`flex min-h-9 items-center gap-2 rounded-lg px-3 font-semibold ${
        isOpen ? 'bg-brand-wash text-brand' : 'text-soft hover:bg-sunken hover:text-ink'
      }`}
    >
      {isBroken ? <Icon name="warning" size={15} className="text-red" /> : null}
      {layerWords(policy.layer)}
      {policy.scope === null ? null : (
        <span className="data">
          <Hardened text={policy.scope} />
        </span>
      )}
      {isBroken ? <span className="sr-only">, does not load</span> : null}
      {isChanged ? (
        <>
          <span aria-hidden="true" className="size-2 rounded-full bg-amber" />
          <span className="sr-only">, changed</span>
        </>
      ) : null}
    </button>
  )
}

const REFUSALS: Readonly<Record<LayerRefusal, string>> = {
  scope_missing: 'Say which workspace or agent it is for.',
  scope_odd: 'A name has no spaces and only plain letters, digits and signs.',
  layer_there: 'That layer is there already.',
}

function AddLayer({ onAdded }: { readonly onAdded: (key: string) => void }): ReactElement {
  const [open, setOpen] = useState(false)
  const id = useId()
  return (
    <>
      <button
        type="button"
        className="button button-quiet text-soft"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name="plus" size={16} />
        Layer
      </button>
      {open ? (
        <LayerForm
          id={id}
          onAdded={(key) => {
            setOpen(false)
            onAdded(key)
          }}
        />
      ) : null}
    </>
  )
}

function LayerForm(props: {
  readonly id: string
  readonly onAdded: (key: string) => void
}): ReactElement {
  const desk = useDesk()
  const { draft } = useDeskState()
  const [layer, setLayer] = useState<PolicyText['layer']>('tenant')
  const [scope, setScope] = useState('')
  const [problem, setProblem] = useState<string | undefined>()
  const add = (): void => {
    const added = withLayer(draft, layer, scope)
    if (typeof added === 'string') {
      setProblem(REFUSALS[added])
      return
    }
    desk.edit(added)
    const fresh = added.find((policy) => policyAt(draft, policyKey(policy)) === undefined)
    props.onAdded(fresh === undefined ? layer : policyKey(fresh))
  }
  return (
    <form
      id={props.id}
      aria-label="Add a layer"
      className="sheet mt-1 flex basis-full flex-wrap items-end gap-3 p-4"
      onSubmit={(event) => {
        event.preventDefault()
        add()
      }}
    >
      <label className="flex flex-1 basis-36 flex-col gap-1">
        <span className="label">Layer</span>
        <select
          className="field"
          value={layer}
          onChange={({ target }) => {
            setLayer(LAYERS.find((one) => one === target.value) ?? 'tenant')
          }}
        >
          {LAYERS.map((one) => (
            <option key={one} value={one}>
              {layerWords(one)}
            </option>
          ))}
        </select>
      </label>
      {layer === 'workspace' || layer === 'agent' ? (
        <label className="flex flex-1 basis-48 flex-col gap-1">
          <span className="label">{layerWords(layer)}</span>
          <input
            className="field data"
            value={scope}
            onChange={(event) => setScope(event.target.value)}
          />
        </label>
      ) : null}
      <button type="submit" className="button">
        Add it
      </button>
      <p className="basis-full text-sm text-soft">
        A lower layer can only restrict further: across layers the strictest decision stands.
      </p>
      {problem === undefined ? null : (
        <p role="alert" className="basis-full font-semibold text-red">
          {problem}
        </p>
      )}
    </form>
  )
}
