import { type ReactElement, use } from 'react'
import { PortalContext, usePortalState } from '../app/context.ts'
import { Announcer } from '../app/shell.tsx'
import { problemSentence } from '../logic/problems.ts'
import type { Answer } from '../ports/api.ts'
import type { OpenApproval } from '../state/approval-page.ts'
import { Mark } from '../ui/icons.tsx'
import { Blank } from '../ui/notice.tsx'
import { Sheet } from './card.tsx'
import { CARD_TITLE_ID } from './card-focus.ts'

const PAGE = 'Approval'

/** One approval and nothing else, on the origin of approvals. */
export function ApprovalPage(props: {
  readonly opening: Promise<Answer<OpenApproval>>
}): ReactElement {
  const opened = use(props.opening)
  return (
    <main className="min-h-dvh [--tabs:0px]">
      {opened.ok ? (
        <PortalContext value={opened.value.portal}>
          <Announcer />
          <Opened {...opened.value} />
        </PortalContext>
      ) : (
        <Blank title="This page cannot be opened" page={PAGE}>
          <p>{problemSentence(opened.code, opened.title)}</p>
          <p className="mt-3">
            Its address counts once and for a minute. Go back to the portal and open the request
            from there again.
          </p>
        </Blank>
      )}
    </main>
  )
}

function Opened({ home, id, waits }: OpenApproval): ReactElement {
  const verdict = usePortalState().verdicts.get(id)
  if (verdict?.kind === 'sent') {
    const approved = verdict.verdict === 'approve'
    return (
      <Blank title={approved ? 'You approved it' : 'You denied it'} page={PAGE}>
        <p role="status">
          {approved
            ? 'The gateway goes on with it. What becomes of it stands in the portal.'
            : 'It does not run.'}
        </p>
        <HomeLink home={home} />
      </Blank>
    )
  }
  if (!waits) {
    return (
      <Blank title="Nothing to decide any more" page={PAGE}>
        <p>It was decided meanwhile, or its time is over.</p>
        <HomeLink home={home} />
      </Blank>
    )
  }
  return (
    <article
      aria-labelledby={CARD_TITLE_ID}
      className="mx-auto max-w-3xl px-3 py-4 lg:px-8 lg:py-8"
    >
      <p className="mb-3 flex items-center justify-between gap-3 font-semibold">
        <span className="flex items-center gap-2">
          <Mark />
          {PAGE}
        </span>
        <a className="link font-normal" href={home}>
          Back to the portal
        </a>
      </p>
      <Sheet id={id} next={undefined} />
    </article>
  )
}

function HomeLink({ home }: { readonly home: string }): ReactElement {
  return (
    <p className="mt-4">
      <a className="link" href={home}>
        Back to the portal
      </a>
    </p>
  )
}
