import {
  type ActionId,
  asObject,
  canonicalize,
  type JsonObject,
  parseActionId,
  parseJson,
  subject,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault } from '@trustgw/runtime'
import type { Chance } from './chance.ts'
import { textOf } from './evidence.ts'
import type { Line } from './hub.ts'
import { AGENTS, ORDERS, TENANT } from './installation.ts'
import { agentLine, type Room } from './processes.ts'

/** A proposal that a gateway accepted, as its agent knows it. */
export interface Accepted {
  readonly id: ActionId
  readonly agent: string
  readonly tool: string
  readonly arguments: string
  readonly client_key: string | null
}

interface Intent {
  readonly tool: string
  readonly arguments: JsonObject
  readonly key: string | null
  readonly waitMs: number
  /** After how long the same is proposed again, if at all. */
  readonly repeatMs: number | undefined
  /** After how long the agent thinks better of it, if at all. */
  readonly cancelMs: number | undefined
}

const REQUEST_MS = 8_000
const TOOLS = [
  'look',
  'note',
  'note',
  'coupon',
  'coupon',
  'refund',
  'refund',
  'payout',
  'ship',
  'release',
  'release',
  'wipe',
]

/** Agents that propose, repeat themselves, ask and cancel. */
export class Agents {
  readonly accepted: Accepted[] = []
  /** Answers with a refusal, by code. */
  readonly refused: string[] = []
  readonly #room: Room
  readonly #chance: Chance
  readonly #lines: readonly Line[]

  constructor(room: Room, chance: Chance) {
    this.#room = room
    this.#chance = chance
    this.#lines = AGENTS.map((_, index) => agentLine(room, index))
  }

  /** So many calls at any time until `end`. */
  begin(count: number, end: number): void {
    for (let index = 0; index < count; index += 1) {
      const who = this.#chance.below(AGENTS.length)
      const intent = this.#intent(index)
      const at = this.#chance.between(0, end)
      this.#room.loop.after(at, `agent ${who} wants ${intent.tool}`, () => {
        this.#propose(who, intent)
      })
      if (intent.repeatMs !== undefined) {
        this.#room.loop.after(at + intent.repeatMs, `agent ${who} repeats ${intent.tool}`, () => {
          this.#propose(who, intent)
        })
      }
    }
  }

  #intent(index: number): Intent {
    const chance = this.#chance
    const tool = chance.pick(TOOLS)
    const order = `ord_${chance.below(ORDERS)}`
    const pays = tool === 'refund' || tool === 'payout'
    const amount = chance.pick(['20.00', '99.99', '100.01', '250.00'])
    return {
      tool: `shop.${tool}`,
      arguments: pays ? { amount, order } : { order },
      key: chance.happens(0.5) ? `key-${index}` : null,
      waitMs: chance.happens(0.3) ? 3_000 : 0,
      repeatMs: chance.happens(0.35) ? chance.between(1, 12_000) : undefined,
      cancelMs: chance.happens(0.15) ? chance.between(1, 8_000) : undefined,
    }
  }

  #propose(who: number, intent: Intent): void {
    const body = {
      tool: intent.tool,
      arguments: intent.arguments,
      wait_ms: intent.waitMs,
      ...(intent.key === null ? {} : { idempotency_key: intent.key }),
    }
    void this.#ask(who, 'action_propose', body).then((value) => {
      const id = idOf(value)
      if (id === undefined) return
      const agent = AGENTS[who]?.record.agent ?? ''
      const { tool, key } = intent
      const text = canonicalize(intent.arguments)
      this.accepted.push({ id, agent, tool, arguments: text, client_key: key })
      this.#room.loop.say(`agent ${agent} has ${id} for ${tool}: ${textOf(value, 'status')}`)
      this.#follow(who, id, intent)
    })
  }

  #follow(who: number, id: ActionId, { cancelMs }: Intent): void {
    const { loop } = this.#room
    loop.after(this.#chance.between(500, 20_000), `agent ${who} asks for ${id}`, () => {
      void this.#ask(who, 'action_get', { action_id: id, wait_ms: 2_000 })
    })
    if (cancelMs === undefined) return
    loop.after(cancelMs, `agent ${who} cancels ${id}`, () => {
      void this.#ask(who, 'action_cancel', { action_id: id })
    })
  }

  /** The answer's value; undefined for a refusal, or when none came. */
  async #ask(
    who: number,
    verb: 'action_propose' | 'action_get' | 'action_cancel',
    body: JsonObject,
  ): Promise<JsonObject | undefined> {
    const line = this.#lines[who]
    if (line === undefined) throw new RangeError('no such agent')
    const request = `req-${this.#room.loop.events}`
    const bytes = utf8Encode(canonicalize({ v: 1, request, body }))
    try {
      const answer = await line.request(subject(verb, { tenant: TENANT }), bytes, {
        timeoutMs: REQUEST_MS,
      })
      const json = parseJson(answer)
      const read = json.ok ? asObject(json.value) : undefined
      if (read?.['ok'] === true) return asObject(read['value'] ?? null)
      this.refused.push(textOf(read, 'code'))
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
    }
    return undefined
  }
}

function idOf(value: JsonObject | undefined): ActionId | undefined {
  const id = value?.['action_id']
  const parsed = typeof id === 'string' ? parseActionId(id) : undefined
  return parsed?.ok === true ? parsed.value : undefined
}
