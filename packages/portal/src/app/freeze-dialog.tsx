import { type FreezeScope, freezeScopeShape, readShape } from '@trustgw/protocol'
import {
  type FormEvent,
  type ReactElement,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { scopeWords } from '../logic/freezes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'
import { usePortal, usePortalState } from './context.ts'
import { useShortcuts } from './shortcuts.ts'

const REASON_MAX_CHARS = 500

/** The dialog that freezes; the browser's own, so that focus stays inside and Escape closes. */
export function FreezeDialog(): ReactElement {
  const portal = usePortal()
  const { freezing } = usePortalState()
  const dialog = useRef<HTMLDialogElement>(null)
  const ask = useCallback(() => portal.freezes.ask({ kind: 'tenant' }), [portal])
  useShortcuts(useMemo(() => ({ f: ask }), [ask]))
  const isOpen = freezing !== undefined
  useEffect(() => {
    if (isOpen) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isOpen])
  return (
    <dialog
      ref={dialog}
      aria-labelledby="freeze-title"
      onClose={() => portal.freezes.close()}
      className="sheet m-auto max-h-[calc(100dvh-1rem)] w-[calc(100%-1rem)] max-w-xl overflow-y-auto p-5 text-ink backdrop:bg-black/50 sm:p-7"
    >
      {freezing === undefined ? null : <FreezeForm first={freezing} />}
    </dialog>
  )
}

type Status =
  | { readonly kind: 'idle' }
  | { readonly kind: 'signing' }
  | { readonly kind: 'failed'; readonly sentence: string }

function FreezeForm({ first }: { readonly first: FreezeScope }): ReactElement {
  const portal = usePortal()
  const [kind, setKind] = useState(first.kind)
  const [name, setName] = useState(first.kind === 'tenant' ? '' : first.name)
  const [reason, setReason] = useState('')
  const [status, setStatus] = useState<Status>({ kind: 'idle' })
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const scope = scopeOf(kind, name)
  const isBusy = status.kind === 'signing'
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (isBusy || line === '' || scope === undefined) return
    setStatus({ kind: 'signing' })
    const sentence = await portal.freezes.sign({ order: 'freeze', scope, reason: line })
    if (sentence === undefined) portal.freezes.close()
    else setStatus({ kind: 'failed', sentence })
  }
  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
      <h2 id="freeze-title" className="text-xl font-semibold tracking-tight">
        Freeze
      </h2>
      <Scope kind={kind} setKind={setKind} name={name} setName={setName} />
      <label className="flex flex-col gap-1.5 font-semibold">
        Why?
        <textarea
          className="field font-normal"
          rows={2}
          required
          maxLength={REASON_MAX_CHARS}
          placeholder="What you saw. People read it on every page."
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
      <Effects scope={scope} />
      {status.kind === 'failed' ? <Notice tone="bad" title={status.sentence} alert /> : null}
      <div className="sticky -bottom-5 -mx-5 -mb-5 flex items-center justify-end gap-2 border-t border-line bg-raised px-5 py-4 sm:-bottom-7 sm:-mx-7 sm:-mb-7 sm:gap-3 sm:px-7">
        <button type="button" className="button" onClick={() => portal.freezes.close()}>
          Cancel
        </button>
        <button
          type="submit"
          className="button button-stop whitespace-nowrap max-sm:flex-1 max-sm:px-2"
          disabled={isBusy || line === '' || scope === undefined}
        >
          <Icon name="freeze" />
          {isBusy ? 'Waiting for your passkey…' : 'Freeze with passkey'}
        </button>
      </div>
    </form>
  )
}

const KINDS = [
  { kind: 'tenant', label: 'Everything' },
  { kind: 'tool', label: 'A tool' },
  { kind: 'agent', label: 'An agent' },
] as const

function Scope(props: {
  readonly kind: FreezeScope['kind']
  readonly setKind: (kind: FreezeScope['kind']) => void
  readonly name: string
  readonly setName: (name: string) => void
}): ReactElement {
  const { kind, setKind, name, setName } = props
  const names = useNames(kind)
  return (
    <div className="flex flex-col gap-3">
      <fieldset>
        <legend className="mb-1.5 font-semibold">What has to stop?</legend>
        <div className="grid grid-cols-3 gap-2">
          {KINDS.map((one) => (
            <label
              key={one.kind}
              className="flex min-h-11 items-center justify-center gap-1.5 rounded-lg border border-edge px-1 text-center font-semibold max-sm:text-sm has-checked:border-red has-checked:bg-red-wash has-checked:text-red has-focus-visible:outline-3 has-focus-visible:outline-focus"
            >
              <input
                type="radio"
                name="freeze-kind"
                className="sr-only"
                checked={kind === one.kind}
                onChange={() => {
                  setKind(one.kind)
                  setName('')
                }}
              />
              {kind === one.kind ? <Icon name="check" size={15} className="max-sm:hidden" /> : null}
              {one.label}
            </label>
          ))}
        </div>
      </fieldset>
      {kind === 'tenant' ? null : (
        <label className="flex flex-col gap-1.5 font-semibold">
          Which {kind}?
          <input
            className="field data"
            list="freeze-names"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <datalist id="freeze-names">
            {names.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          {name === '' || names.includes(name) ? null : (
            <span className="font-normal text-amber">
              No {kind} of this name was seen here. Check how it is written.
            </span>
          )}
        </label>
      )}
    </div>
  )
}

/** What this browser has seen, to choose from. */
function useNames(kind: FreezeScope['kind']): readonly string[] {
  const { feed, tools } = usePortalState()
  return useMemo(() => {
    const events = [...feed.events.values()]
    const seen =
      kind === 'agent'
        ? events.map(({ agent }) => agent)
        : [...events.map(({ tool_id }) => tool_id), ...(tools ?? []).map((tool) => tool.tool_id)]
    return [...new Set(seen)].sort()
  }, [feed, tools, kind])
}

function Effects({ scope }: { readonly scope: FreezeScope | undefined }): ReactElement {
  const named = scope === undefined || scope.kind === 'tenant' ? undefined : scopeWords(scope)
  return (
    <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
      <div>
        <h3 className="label">Stops at once, everywhere</h3>
        <ul className="mt-1 flex list-disc flex-col gap-1 pl-4 marker:text-red">
          <li>
            New calls
            {named === undefined ? null : (
              <>
                {' '}
                of <Hardened text={named} />
              </>
            )}
          </li>
          <li>What was approved and has not started: it waits for the thaw, or its deadline</li>
        </ul>
      </div>
      <div>
        <h3 className="label">Goes on</h3>
        <ul className="mt-1 flex list-disc flex-col gap-1 pl-4">
          <li>What runs already: a freeze ends nothing</li>
          <li>Approving and denying; deadlines</li>
        </ul>
      </div>
      <p className="text-soft sm:col-span-2">
        Only an admin can thaw it. Your name and reason stand on every page and on the record.
      </p>
    </div>
  )
}

function scopeOf(kind: FreezeScope['kind'], name: string): FreezeScope | undefined {
  const read = readShape(
    freezeScopeShape,
    kind === 'tenant' ? { kind } : { kind, name: name.trim() },
  )
  return read.ok ? read.value : undefined
}
