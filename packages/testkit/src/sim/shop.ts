import type { Connector, RunOutcome, ToolRun } from '@trustgw/executor'
import type { Hash, ToolContract } from '@trustgw/protocol'
import { readJson, textOf } from './evidence.ts'
import type { Faults } from './faults.ts'
import { CONTRACTS, SHOP_SECRET } from './installation.ts'
import type { Life } from './life.ts'
import type { Loop } from './loop.ts'

/** One thing that the shop really did. */
export interface SideEffect {
  readonly at: number
  readonly by: string
  readonly tool: string
  readonly arguments_text: string
  readonly idempotency_key: Hash
}

/** What the shop told of its stock. */
export interface StockRead {
  readonly at: number
  readonly by: string
  readonly order: string
  readonly left: number
  /** Of the run that asked. */
  readonly idempotency_key: Hash
}

const STOCK_AT_FIRST = 9
/** Tools whose end the shop tells when it is asked for the key. */
const KNOWS_KEYS: ReadonlySet<string> = new Set(['note', 'refund', 'payout'])
/** How many calls the shop refuses, and after how many it drops the connection. */
const REFUSED_SHARE = 0.08
const DROPPED_SHARE = 0.12
const ASK_WAIT_MS = 4_000

/**
 * The shop behind the executors, and its own ledger. It does what it is asked, also twice: that it is
 * asked once is what is tested.
 */
export class Shop {
  readonly ledger: SideEffect[] = []
  readonly reads: StockRead[] = []
  readonly #taken = new Map<string, number>()
  readonly #loop: Loop
  readonly #faults: Faults

  constructor(loop: Loop, faults: Faults) {
    this.#loop = loop
    this.#faults = faults
  }

  /** Somebody else takes one of the stock. */
  take(order: string): void {
    this.#taken.set(order, (this.#taken.get(order) ?? 0) + 1)
  }

  /** The connector of one run of an executor. */
  connector(life: Life): Connector {
    return {
      id: 'shop',
      bundle: { id: 'shop', title: 'Shop', description: 'A simulated shop' },
      contracts: (): readonly ToolContract[] => CONTRACTS,
      start: () => Promise.resolve(),
      run: (run) => this.#run(life, run),
      reconcile: (run) => this.#reconcile(life, run),
      // It is asked so late that asking later tells no more.
      provesAbsence: () => false,
      onChanged: () => undefined,
      stop: () => Promise.resolve(),
    }
  }

  #run(life: Life, run: ToolRun): Promise<RunOutcome> {
    const { chance } = this.#faults
    const there = chance.between(0.5, 20)
    const back = chance.happens(0.1) ? chance.between(100, 3_000) : chance.between(0.5, 20)
    const told = new Promise<RunOutcome>((resolve) => {
      const tell = (outcome: RunOutcome): void => {
        life.wake(back, `hears of ${run.tool}: ${outcome.kind}`, () => resolve(outcome))
      }
      const lost: RunOutcome = { kind: 'unknown_outcome', reason: 'connection_lost' }
      this.#loop.after(there, `shop ${run.tool} for ${life.name}`, () => {
        if (chance.happens(REFUSED_SHARE)) {
          tell({ kind: 'failed', reason: 'tool_error', output: { error: 'not today' } })
          return
        }
        if (run.tool === 'stock') {
          tell(this.#told(life, run))
          return
        }
        const dropped = chance.happens(DROPPED_SHARE)
        if (dropped && chance.happens(0.3)) {
          tell(lost)
          return
        }
        this.#act(life, run)
        tell(dropped ? lost : this.#done(run))
      })
    })
    return told.then((outcome) => this.#asked(life, run, outcome))
  }

  /** As the connectors over HTTP do: what was not seen is asked for at once, where that can be. */
  async #asked(life: Life, run: ToolRun, outcome: RunOutcome): Promise<RunOutcome> {
    if (outcome.kind !== 'unknown_outcome') return outcome
    return (await this.#reconcile(life, run)) ?? outcome
  }

  /** What it reads, which changes nothing. */
  #told(life: Life, { arguments: { order }, idempotency_key }: ToolRun): RunOutcome {
    if (typeof order !== 'string') throw new TypeError('stock of no order')
    const left = STOCK_AT_FIRST - (this.#taken.get(order) ?? 0)
    this.reads.push({ at: this.#loop.now, by: life.name, order, left, idempotency_key })
    return { kind: 'succeeded', output: { left }, provider_reference: null }
  }

  #act(life: Life, { tool, arguments_text, idempotency_key }: ToolRun): void {
    const effect = { at: this.#loop.now, by: life.name, tool, arguments_text, idempotency_key }
    this.ledger.push(effect)
    if (tool === 'release') this.take(textOf(readJson(Buffer.from(arguments_text)), 'order'))
  }

  #done(run: Pick<ToolRun, 'tool' | 'idempotency_key'>): RunOutcome {
    // A careless upstream: the credential comes back in its answer.
    const output = { done: run.tool, debug: `authorised by ${SHOP_SECRET}` }
    return { kind: 'succeeded', output, provider_reference: run.idempotency_key.slice(7, 23) }
  }

  #reconcile(
    life: Life,
    run: Pick<ToolRun, 'tool' | 'idempotency_key'>,
  ): Promise<RunOutcome | undefined> {
    if (!KNOWS_KEYS.has(run.tool)) return Promise.resolve(undefined)
    const { chance } = this.#faults
    return new Promise((resolve) => {
      // Asked well after the call, so that a call on its way would have arrived.
      life.wake(ASK_WAIT_MS + chance.between(1, 30), `asks the shop about ${run.tool}`, () => {
        const found = this.ledger.some(({ idempotency_key: key }) => key === run.idempotency_key)
        resolve(
          found
            ? this.#done(run)
            : { kind: 'failed', reason: 'not_executed', output: { error: 'no such work' } },
        )
      })
    })
  }
}
