/**
 * Reads the story of each action across the writers (spec/protocol.md §1 and §7): no side effect
 * without a grant, no grant without a recorded decision, no approval without a person's word at the
 * host. An event counts only from the component that may say it.
 */
import { GRANTS_PER_ACTION_MAX } from '@trustgw/core'
import type { AuditEvent, AuditEventType } from '@trustgw/protocol'
import { componentOf } from '../store/entry.ts'
import type { FindingPlace, Findings } from './report.ts'

/** Actions followed at once. */
export const ACTIONS_FOLLOWED_MAX = 500_000
/** Ended actions that are kept for late words about them. */
const ENDED_KEPT_MAX = 50_000

interface Story {
  evaluated: boolean
  tier: number
  personApproved: boolean
  /** The host recorded who found out how it ended. */
  personSettled: boolean
  approved: boolean
  started: boolean
  /** How its executor says that it ended. */
  ran: string | null
  /** Its end, as the gateway recorded it. */
  ended: AuditEventType | null
  /** Grants issued and not yet used or explained. */
  open: string[]
  /** Every grant issued; one action has few (spec/protocol.md §5). */
  issued: string[]
}

const isExecutor = (component: string): boolean => component.startsWith('exec-')
const isGateway = (component: string): boolean => component === 'gateway'
const isHost = (component: string): boolean => component === 'host'

const ENTITLED: Partial<Record<AuditEventType, (component: string) => boolean>> = {
  proposed: isGateway,
  evaluated: isGateway,
  approval_requested: isGateway,
  approved: isGateway,
  grant_issued: isGateway,
  grant_lapsed: isGateway,
  claimed: isGateway,
  succeeded: isGateway,
  failed: isGateway,
  approval_given: isHost,
  denial_given: isHost,
  outcome_given: isHost,
  reconciled: isGateway,
  started: isExecutor,
  finished: isExecutor,
}

const FINAL: ReadonlySet<AuditEventType> = new Set<AuditEventType>([
  'succeeded',
  'failed',
  'refused',
  'denied',
  'expired',
  'cancelled',
  'reconciled',
])

/** Ends that time, a wish or a changed policy brings about, not an executor. */
const CUT_SHORT: ReadonlySet<AuditEventType> = new Set(['denied', 'expired', 'cancelled'])

export class CrossCheck {
  readonly #findings: Findings
  readonly #running = new Map<string, Story>()
  readonly #ended = new Map<string, Story>()
  #overflow = false

  constructor(findings: Findings) {
    this.#findings = findings
  }

  add(event: AuditEvent, line: number): void {
    const { action_id, event_id, type, writer } = event
    const place: FindingPlace = {
      line,
      event_id,
      writer,
      ...(action_id === null ? {} : { action_id }),
    }
    if (ENTITLED[type]?.(componentOf(writer)) === false) {
      this.#findings.find('writer_not_entitled', { ...place, detail: type })
      return
    }
    if (action_id === null) return
    const story = this.#story(action_id)
    if (story !== undefined) this.#tell(story, event, place)
  }

  /** After the last event: grants that nobody used, and ends that were not the last word. */
  finish(): void {
    for (const stories of [this.#ended, this.#running]) {
      for (const [id, story] of stories) this.#settle(id, story)
    }
  }

  #story(id: string): Story | undefined {
    const known = this.#running.get(id) ?? this.#ended.get(id)
    if (known !== undefined) return known
    if (this.#running.size >= ACTIONS_FOLLOWED_MAX) {
      if (!this.#overflow) this.#findings.notice('actions_not_followed')
      this.#overflow = true
      return undefined
    }
    const story = newStory()
    this.#running.set(id, story)
    return story
  }

  #tell(story: Story, event: AuditEvent, place: FindingPlace): void {
    this.#judge(story, event, place)
    LEARN[event.type]?.(story, event)
    if (FINAL.has(event.type) && event.action_id !== null && story.ended === null) {
      story.ended = event.type
      this.#end(event.action_id, story)
    }
  }

  #judge(story: Story, event: AuditEvent, place: FindingPlace): void {
    const { type } = event
    if (type === 'grant_issued') {
      if (!story.evaluated) this.#findings.find('grant_without_evaluation', place)
      if (story.tier > 0 && !story.approved) this.#findings.find('grant_without_approval', place)
    }
    this.#judgePeople(story, event, place)
    if (type === 'started' && !isIssued(story, event)) {
      this.#findings.find('start_without_grant', place)
    }
    if (isEnd(event) && !story.started) {
      this.#findings.find('end_without_start', { ...place, detail: type })
    }
  }

  /** What the gateway says that a person said. */
  #judgePeople(story: Story, { type, actor }: AuditEvent, place: FindingPlace): void {
    if (type === 'approved' && story.tier > 0 && !story.personApproved) {
      this.#findings.find('approval_without_person', place)
    }
    if (type === 'reconciled' && actor.kind === 'human' && !story.personSettled) {
      this.#findings.find('outcome_without_person', place)
    }
  }

  #end(id: string, story: Story): void {
    this.#running.delete(id)
    this.#ended.set(id, story)
    if (this.#ended.size <= ENDED_KEPT_MAX) return
    for (const [oldest, old] of this.#ended) {
      this.#settle(oldest, old)
      this.#ended.delete(oldest)
      break
    }
  }

  #settle(action_id: string, story: Story): void {
    const { ran, ended } = story
    if (ran !== null && ended !== null && CUT_SHORT.has(ended))
      this.#findings.notice('ran_though_ended', { action_id, detail: `${ended}, ran: ${ran}` })
    for (const jti of story.open) {
      this.#findings.notice('grant_not_executed', { action_id, detail: jti })
    }
  }
}

function newStory(): Story {
  return {
    evaluated: false,
    tier: 0,
    personApproved: false,
    personSettled: false,
    approved: false,
    started: false,
    ran: null,
    ended: null,
    open: [],
    issued: [],
  }
}

const LEARN: Partial<Record<AuditEventType, (story: Story, event: AuditEvent) => void>> = {
  evaluated: (story, { payload }) => {
    story.evaluated = true
    if (typeof payload['tier'] === 'number') story.tier = payload['tier']
  },
  approval_given: (story) => {
    story.personApproved = true
  },
  outcome_given: (story) => {
    story.personSettled = true
  },
  approved: (story) => {
    story.approved = true
  },
  grant_issued: (story, event) => {
    const jti = jtiOf(event) ?? ''
    if (story.issued.length >= GRANTS_PER_ACTION_MAX || story.issued.includes(jti)) return
    story.issued.push(jti)
    story.open.push(jti)
  },
  started: (story, event) => {
    story.started = true
    explain(story, event)
  },
  finished: (story, event) => {
    const { outcome } = event.payload
    if (isEnd(event) && typeof outcome === 'string') story.ran = outcome
  },
  grant_lapsed: explain,
  refused: explain,
  unknown_outcome: explain,
}

/** Tells what became of a grant. */
function explain(story: Story, event: AuditEvent): void {
  const jti = jtiOf(event) ?? ''
  story.open = story.open.filter((open) => open !== jti)
}

function isIssued(story: Story, event: AuditEvent): boolean {
  return story.issued.includes(jtiOf(event) ?? '')
}

/** The tool was entered and came to an end: refusals and unseen ends need no start. */
function isEnd(event: AuditEvent): boolean {
  if (event.type === 'succeeded') return true
  if (event.type !== 'finished') return false
  const outcome = event.payload['outcome']
  return outcome !== 'refused' && outcome !== 'unknown_outcome'
}

function jtiOf(event: AuditEvent): string | undefined {
  const jti = event.payload['jti']
  return typeof jti === 'string' ? jti : undefined
}
