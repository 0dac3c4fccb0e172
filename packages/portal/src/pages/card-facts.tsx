import {
  approvalConsequence,
  chainWords,
  DENIAL_CONSEQUENCE,
  needsSentence,
  operationNoun,
  type ReviewedRequest,
} from '@trustgw/card'
import type { ApprovalRequest } from '@trustgw/protocol'
import type { ReactElement, ReactNode } from 'react'
import { usePortalState } from '../app/context.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'

function Fact(props: {
  readonly name: string
  /** Over the whole width. */
  readonly wide?: boolean
  readonly children: ReactNode
}): ReactElement {
  return (
    <div className={`min-w-0 ${props.wide === true ? 'col-span-full' : ''}`}>
      <dt className="label">{props.name}</dt>
      <dd className="break-words">{props.children}</dd>
    </div>
  )
}

export function Facts({ request }: { readonly request: ApprovalRequest }): ReactElement {
  const { contract, decision, source } = request
  return (
    <section aria-labelledby="who-title">
      <h2 id="who-title" className="sr-only">
        Who and with what
      </h2>
      <dl className="grid grid-cols-2 gap-x-6 gap-y-4 sm:grid-cols-3">
        <Fact name="Proposed by">
          <Hardened text={decision.principal.subject} />
        </Fact>
        <Fact name="On behalf of">
          {decision.on_behalf_of === null ? (
            'nobody named'
          ) : (
            <Hardened text={decision.on_behalf_of} />
          )}
        </Fact>
        <Fact name="Came over">{source.toUpperCase()}</Fact>
        <Fact name="Tool">
          <span className="data">
            <Hardened text={contract.id} />
          </span>
        </Fact>
        <Fact name="Operation">{operationNoun(contract.operation)}</Fact>
        <Fact name="Acts with credential">
          <span className="data">
            <Hardened text={contract.credential_ref} />
          </span>
        </Fact>
        <Fact name="Chain of calls, by the gateway’s word" wide>
          {chainWords(request)}
          {(request.chain?.tools ?? []).length === 0 ? null : (
            <span className="data block">
              <Hardened text={(request.chain?.tools ?? []).join(' → ')} />
            </span>
          )}
        </Fact>
      </dl>
    </section>
  )
}

export function Reason({ request }: { readonly request: ApprovalRequest }): ReactElement {
  const { decision } = request
  const given = usePortalState().given.get(request.action_id)
  const asksNobody = decision.effect === 'allow'
  return (
    <section aria-labelledby="why-title" className="border-l-4 border-amber pl-4">
      <h2 id="why-title" className="font-semibold">
        {asksNobody ? 'Why it may run' : 'Why you are asked'}
      </h2>
      <p className="mt-0.5">
        <Hardened text={decision.reason === '' ? 'The rule gives no reason.' : decision.reason} />
      </p>
      <p className="mt-1 text-sm text-soft">
        Rule{' '}
        <span className="data">
          <Hardened text={decision.rule_id} />
        </span>
        {asksNobody ? '. Asks nobody; ' : '. Needs: '}
        {asksNobody
          ? 'whoever approves may stop it'
          : needsSentence(decision.obligations.approvers, given)}
        {decision.unknown.length > 0 ? (
          <>
            . Unknown to it: <Hardened text={decision.unknown.join(', ')} />
          </>
        ) : null}
      </p>
    </section>
  )
}

export function Consequences({ reviewed }: { readonly reviewed: ReviewedRequest }): ReactElement {
  return (
    <section aria-labelledby="then-title" className="grid gap-4 sm:grid-cols-2">
      <h2 id="then-title" className="sr-only">
        What happens then
      </h2>
      <div>
        <h3 className="flex items-center gap-2 font-semibold text-brand">
          <Icon name="check" />
          If you approve
        </h3>
        <p className="mt-0.5 text-soft">
          <span className="data">{reviewed.request.contract.id}</span>{' '}
          {approvalConsequence(reviewed)}
        </p>
      </div>
      <div>
        <h3 className="flex items-center gap-2 font-semibold text-red">
          <Icon name="cross" />
          If you deny
        </h3>
        <p className="mt-0.5 text-soft">{DENIAL_CONSEQUENCE}</p>
      </div>
    </section>
  )
}

/** The same eight characters on every screen that shows this action. */
export function Compare({ code }: { readonly code: string }): ReactElement {
  return (
    <section
      aria-labelledby="code-title"
      className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 rounded-lg bg-sunken px-4 py-3"
    >
      <div className="min-w-0 flex-1 basis-60">
        <h2 id="code-title" className="font-semibold">
          Code of this action
        </h2>
        <p className="text-sm text-soft">
          Made here from the hashes. Another screen that shows the same action shows the same code.
        </p>
      </div>
      <p className="font-mono text-2xl font-semibold tracking-widest">{code}</p>
    </section>
  )
}

export function Hashes({ reviewed }: { readonly reviewed: ReviewedRequest }): ReactElement {
  const { request } = reviewed
  const { decision, contract } = request
  const rows = [
    ['Action', request.action_id],
    ['Arguments hash', reviewed.inputHash],
    ['Contract hash', reviewed.contractHash],
    ...(reviewed.bound === null ? [] : [['Precondition hash', reviewed.preconditionHash] as const]),
    ['Policy', `${decision.policy_fingerprint}, epoch ${decision.policy_epoch}`],
    ['Tool version', contract.version],
    ['May reach', contract.egress.length === 0 ? 'no host' : contract.egress.join(', ')],
    ['Workspace', decision.workspace],
    ['Agent’s credential', `${decision.principal.issuer} ${decision.principal.client}`],
  ] as const
  return (
    <details className="group border-t border-line pt-4">
      <summary className="font-semibold">Hashes, contract and identity</summary>
      <p className="mt-3 text-soft">
        <Hardened text={contract.description} />
      </p>
      <dl className="mt-3 flex flex-col gap-3">
        {rows.map(([name, value]) => (
          <Fact key={name} name={name}>
            <span className="data">
              <Hardened text={value} />
            </span>
          </Fact>
        ))}
      </dl>
    </details>
  )
}
