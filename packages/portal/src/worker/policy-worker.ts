/** Runs the decision core beside the page, so that typing never waits for it. */

import type { PolicyText } from '../logic/policy-draft.ts'
import { type JudgeContext, judgeDraft, tryProposal } from '../logic/policy-judge.ts'
import { sha256 } from '../ports/sha256.ts'
import { localTimesOf } from './local-times.ts'
import type { FromWorker, ToWorker } from './messages.ts'

const deps = { sha256, localTimes: localTimesOf }
let context: JudgeContext | undefined
let newest = 0

const tell = (message: FromWorker): void => {
  // A worker posts to the page that made it, which has no origin to name.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  postMessage(message)
}

/** A newer message may have come meanwhile. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

async function judge(number: number, policies: readonly PolicyText[]): Promise<void> {
  newest = number
  if (context === undefined) return
  for (const step of judgeDraft(policies, context, deps)) {
    tell({ kind: 'step', number, step })
    await breathe()
    if (newest !== number) return
  }
  tell({ kind: 'done', number })
}

function answer(message: ToWorker): void {
  if (message.kind === 'context') {
    context = message.context
    return
  }
  const { number, policies } = message
  if (message.kind === 'judge') {
    judge(number, policies).catch(() => tell({ kind: 'failed', number, of: 'judge' }))
    return
  }
  try {
    const { proposal } = message
    const tried = context === undefined ? null : tryProposal(policies, proposal, context, deps)
    tell({ kind: 'tried', number, tried })
  } catch {
    tell({ kind: 'failed', number, of: 'try' })
  }
}

addEventListener('message', (event: MessageEvent<ToWorker>) => answer(event.data))
