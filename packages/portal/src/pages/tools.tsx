import {
  type ContractChange,
  contractChanges,
  type Json,
  POLICY_ADMIN_ROLE,
} from '@trustgw/protocol'
import { type ReactElement, useEffect } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { holding } from '../logic/freezes.ts'
import { wordDiff } from '../logic/word-diff.ts'
import type { ListedContract } from '../ports/shapes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Blank, Notice, Waiting } from '../ui/notice.tsx'
import { RevokeOrder } from './signed-order.tsx'
import { ToolOrderForm } from './tool-order-form.tsx'

/** Tools by their contracts: what changed about those in quarantine, and the others below. */
export function ToolsPage(): ReactElement {
  const portal = usePortal()
  const { freezes, tools, session } = usePortalState()
  useEffect(() => void portal.loadTools(), [portal])
  if (tools === undefined) return <Waiting text="Fetching the tools…" page="Tools" />
  if (tools.length === 0) {
    return (
      <Blank title="No tools yet" page="Tools">
        <p>They appear when an executor serves them.</p>
      </Blank>
    )
  }
  const isAdmin = session?.person.roles.includes(POLICY_ADMIN_ROLE) ?? false
  const isRevoked = ({ tool_id: tool }: ListedContract): boolean =>
    holding(freezes ?? [], { tool }).some(({ isFinal }) => isFinal)
  const left = tools.filter((tool) => !isRevoked(tool))
  const held = left.filter(({ quarantine }) => quarantine !== null)
  const others = left.filter(({ quarantine }) => quarantine === null)
  return (
    <div className="mx-auto max-w-5xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">Tools</h1>
      <ul className="mt-5 flex flex-col gap-6">
        {held.map((tool) => (
          <li key={tool.tool_id}>
            <Held tool={tool} isAdmin={isAdmin} />
          </li>
        ))}
      </ul>
      <h2 className="mt-8 px-2 text-lg font-semibold">May be called</h2>
      <ul className="mt-2 border-t border-line">
        {others.map((tool) => (
          <li key={tool.tool_id} className="border-b border-line px-2 py-3">
            <p className="data mb-2">
              <Hardened text={tool.tool_id} />
            </p>
            {isAdmin ? (
              <div className="flex flex-wrap items-start gap-2">
                <ToolOrderForm tool={tool} order="quarantine" />
                <RevokeOrder kind="tool" name={tool.tool_id}>
                  <p className="text-soft">
                    Nobody can call it any more, at once and for good, whatever it is later on. To
                    stop it for a while, stop it instead.
                  </p>
                </RevokeOrder>
              </div>
            ) : null}
          </li>
        ))}
      </ul>
      <Revoked tools={tools.filter(isRevoked)} />
    </div>
  )
}

function Revoked({ tools }: { readonly tools: readonly ListedContract[] }): ReactElement | null {
  if (tools.length === 0) return null
  return (
    <>
      <h2 className="mt-8 px-2 text-lg font-semibold">Revoked for good</h2>
      <ul className="mt-2 border-t border-line">
        {tools.map(({ tool_id }) => (
          <li key={tool_id} className="data border-b border-line px-2 py-3">
            <Hardened text={tool_id} />
          </li>
        ))}
      </ul>
    </>
  )
}

function Held(props: { readonly tool: ListedContract; readonly isAdmin: boolean }): ReactElement {
  const { tool, isAdmin } = props
  const title = `tool-${tool.tool_id}`
  const changes = tool.found === null ? [] : contractChanges(tool.accepted, tool.found)
  return (
    <article aria-labelledby={title} className="sheet flex flex-col gap-5 px-5 py-6 lg:px-8">
      <h2 id={title} className="text-xl font-semibold tracking-tight">
        <Hardened text={tool.tool_id} />
      </h2>
      {tool.quarantine === 'ordered' ? (
        <Notice tone="warn" title="A person stopped this tool." />
      ) : (
        <Notice tone="warn" title="Its contract changed. Approvals that waited for it are void." />
      )}
      {changes.length === 0 ? (
        <p className="text-soft">Its contract is the one that was accepted.</p>
      ) : (
        <Changes changes={changes} />
      )}
      {isAdmin ? (
        <ToolOrderForm tool={tool} order="release" />
      ) : (
        <Notice tone="plain" title="An admin may release it." />
      )}
    </article>
  )
}

function Changes({ changes }: { readonly changes: readonly ContractChange[] }): ReactElement {
  return (
    <table className="w-full table-fixed border-collapse">
      <caption className="sr-only">What changed, place by place</caption>
      <thead>
        <tr className="text-left">
          <th scope="col" className="label w-1/5 py-2 pr-4">
            Place
          </th>
          <th scope="col" className="label py-2 pr-4">
            Before
          </th>
          <th scope="col" className="label py-2">
            Now
          </th>
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => (
          <tr key={change.pointer} className="border-t border-line align-top">
            <th
              scope="row"
              className="data py-2 pr-4 text-left font-normal [overflow-wrap:anywhere]"
            >
              <Hardened text={change.pointer} />
            </th>
            <Side change={change} side="gone" />
            <Side change={change} side="new" />
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** One side of a change; the words that the other side has not are marked. */
function Side(props: {
  readonly change: ContractChange
  readonly side: 'gone' | 'new'
}): ReactElement {
  const { change, side } = props
  const own = side === 'gone' ? change.before : change.after
  const pieces = wordDiff(textOf(change.before), textOf(change.after))
  return (
    <td className="py-2 pr-4 [overflow-wrap:anywhere]">
      {own === undefined ? (
        <span className="text-soft italic">not there</span>
      ) : (
        pieces
          .filter(({ kind }) => kind === 'same' || kind === side)
          .map((piece, index) => {
            // Pieces have no identity of their own and never move.
            const key = `${index}`
            if (piece.kind === 'same') return <Hardened key={key} text={piece.text} part />
            const Mark = side === 'gone' ? 'del' : 'ins'
            const look = side === 'gone' ? 'bg-red-wash text-red' : 'bg-green-wash text-green'
            return (
              <Mark key={key} className={look}>
                <Hardened text={piece.text} part />
              </Mark>
            )
          })
      )}
    </td>
  )
}

function textOf(value: Json | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
