import { compilePolicy, joinLayers, parsePolicy } from '@trustgw/core'
import type { RunOutcome } from '@trustgw/executor'
import {
  asObject,
  canonicalize,
  hashText,
  type JsonObject,
  parseJson,
  signJws,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type Bus,
  type BusLink,
  type ClaimStore,
  type RecordStore,
  type RequestHandler,
  type StoredPublisher,
  sha256,
} from '@trustgw/runtime'
import type { Body } from '../src/sim/body.ts'
import { hashOf, payloadOf, textOf } from '../src/sim/evidence.ts'
import { signer, TENANT } from '../src/sim/installation.ts'
import type { Sabotage } from '../src/sim/sabotage.ts'
import type { Shop } from '../src/sim/shop.ts'

/** Parts of the system with one guard removed each. What stays is the real code. */

/** A store of claims that calls every claim the first one. */
export const claimsThatAlwaysSucceed: Sabotage = {
  link: (kind, link) => ({
    ...link,
    claims: (of) => {
      const honest = link.claims(of)
      const lying: ClaimStore = {
        claim: async (key, claim) => {
          await honest.claim(key, claim)
          return 'claimed'
        },
        read: (key) => honest.read(key),
        verifyInsertOnly: () => honest.verifyInsertOnly(),
      }
      return kind === 'executor' ? lying : honest
    },
  }),
}

/** Gateways that ask no executor whether what was sent ran: they take it that it did not. */
export const gatewaysThatTakeItThatNothingRan: Sabotage = {
  link: (kind, link) => {
    const request: Bus['request'] = async (to, data, options) => {
      if (to.endsWith('.cancel')) return utf8Encode('{"status":"cancelled"}')
      if (!to.endsWith('.reconcile')) return await link.bus.request(to, data, options)
      return utf8Encode('{"reason":"never_claimed","status":"unclear"}')
    }
    if (kind !== 'gateway') return link
    const { bus } = link
    const assuming: Bus = {
      get status() {
        return bus.status
      },
      request,
      publish: (to, data) => bus.publish(to, data),
      respond: (to, options, handler) => bus.respond(to, options, handler),
      listen: (to, handler) => bus.listen(to, handler),
      onStatus: (handler) => bus.onStatus(handler),
      drain: () => bus.drain(),
    }
    return { ...link, bus: assuming }
  },
}

/** A store that says that actions are stored, and stores a part of them: effects go before states. */
export const actionsThatAreNotStored: Sabotage = {
  link: (kind, link) =>
    kind === 'gateway' ? withoutWrites(link, 'actions', ({ index }) => index % 3 === 0) : link,
}

/** Nothing remembers which actions are open, so that no restart takes them up. */
export const noOpenEntries: Sabotage = {
  link: (kind, link) =>
    kind === 'gateway' ? withoutWrites(link, 'open_actions', () => true) : link,
}

function withoutWrites(
  link: BusLink,
  bucket: string,
  isLost: (write: { readonly index: number }) => boolean,
): BusLink {
  let index = 0
  return {
    ...link,
    records: (of) => {
      const honest = link.records(of)
      if (of.bucket !== bucket) return honest
      const lying: RecordStore = {
        get: (key) => honest.get(key),
        replace: (key, value, revision) => honest.replace(key, value, revision),
        remove: (key, revision) => honest.remove(key, revision),
        list: (prefix) => honest.list(prefix),
        watch: (handler) => honest.watch(handler),
        create: (key, value) => {
          index += 1
          const isAction = key.includes('.a_') || bucket === 'open_actions'
          return isAction && isLost({ index })
            ? Promise.resolve({ ok: true, revision: 1_000_000 + index })
            : honest.create(key, value)
        },
      }
      return lying
    },
  }
}

/** An audit that is thrown away: what is said to be recorded is recorded nowhere. */
export function auditWithout(kind: 'gateway' | 'executor', type: string): Sabotage {
  return {
    link: (of, link) => ({
      ...link,
      publisher: (options) => {
        const honest = link.publisher(options)
        const lying: StoredPublisher = {
          publishStored: (to, data, how) =>
            to.endsWith(`.${type}`)
              ? Promise.resolve({ stream: options.stream, seq: 1, duplicate: false })
              : honest.publishStored(to, data, how),
        }
        return of === kind ? lying : honest
      },
    }),
  }
}

const ALLOW_ALL = `version = 1
[defaults]
effect = "deny"
[[rules]]
id = "all"
priority = 1
effect = "allow"
reason = "Why not"
match = { tool = ["shop.*"] }
`

/** Gateways that allow everything, whatever the operator sealed. */
export const gatewaysThatAllowAll: Sabotage = {
  policy: (feed) => {
    const parsed = parsePolicy(ALLOW_ALL, { file: 'policy.toml' })
    if (!parsed.ok) throw new TypeError(JSON.stringify(parsed.findings))
    const layers = joinLayers([compilePolicy(parsed.value, sha256)], sha256)
    return {
      start: (pinnedBy) => feed.start(pinnedBy),
      vouched: (tenant) => feed.vouched(tenant),
      stop: () => feed.stop(),
      inForce: (tenant) => {
        const sealed = feed.inForce(tenant)
        return sealed === undefined ? undefined : { epoch: sealed.epoch, layersFor: () => layers }
      },
    }
  },
}

/** Gateways that leave the approvals out of what they send, and sign that. */
export const gatewaysThatDropPeople: Sabotage = {
  link: (kind, link) => {
    if (kind !== 'gateway') return link
    const bus = busLike(link.bus, {
      request: (to, data, options) =>
        link.bus.request(to, to.startsWith('exec.') ? withoutPeople(data) : data, options),
    })
    return { ...link, bus }
  },
}

function withoutPeople(data: Uint8Array): Uint8Array {
  const json = parseJson(data)
  const message = (json.ok ? asObject(json.value) : undefined) ?? {}
  const claims = payloadOf(textOf(message, 'grant'), { typ: 'execution-grant+jwt', kid: 'grant' })
  const { kid, sign } = signer('grant')
  const payload = { ...claims, approvals: [] }
  const grant = signJws({ typ: 'execution-grant+jwt', kid, payload }, sign)
  return utf8Encode(canonicalize({ ...message, grant, approvals: [] }))
}

function busLike(bus: Bus, changed: Partial<Pick<Bus, 'request' | 'respond'>>): Bus {
  return {
    get status() {
      return bus.status
    },
    request: (to, data, options) => bus.request(to, data, options),
    publish: (to, data) => bus.publish(to, data),
    respond: (filter, options, handler) => bus.respond(filter, options, handler),
    listen: (filter, handler) => bus.listen(filter, handler),
    onStatus: (handler) => bus.onStatus(handler),
    drain: () => bus.drain(),
    ...changed,
  }
}

/** Executors that run whatever a message says: no grant, policy, approval or claim is looked at. */
export const executorsThatCheckNothing: Sabotage = {
  executor: (body, shop, honest) => honest(unchecked(body, shop, (told) => [told])),
}

/** The same, and they do a little more than they are told. */
export const executorsThatDoMore: Sabotage = {
  executor: (body, shop, honest) =>
    honest(
      unchecked(body, shop, (told) => [
        told,
        { ...told, action: `${told.action} and more`, tool: 'note' },
      ]),
    ),
}

interface Told {
  readonly action: string
  readonly tool: string
  readonly text: string
}

/** A body whose executor hears of no grant: what comes is run as it is. */
function unchecked(body: Body, shop: Shop, todo: (told: Told) => readonly Told[]): Body {
  const { life, link } = body
  const { bus } = link
  const connector = shop.connector(life)
  const runAll: RequestHandler = ({ data }) => {
    for (const { action, tool, text } of todo(readTold(data))) {
      const idempotency_key = hashText(sha256, `${TENANT}\n${action}`)
      const args = parseJson(text)
      const given = args.ok ? asObject(args.value) : undefined
      void connector.run({ tool, arguments: given ?? {}, arguments_text: text, idempotency_key })
    }
    return Promise.resolve(utf8Encode(canonicalize({ status: 'claimed' })))
  }
  const lying = busLike(bus, {
    respond: (filter, options, handler) =>
      bus.respond(filter, options, filter.endsWith('.invoke') ? runAll : handler),
  })
  return { ...body, link: { ...link, bus: lying } }
}

function readTold(data: Uint8Array): Told {
  const json = parseJson(data)
  const message: JsonObject = (json.ok ? asObject(json.value) : undefined) ?? {}
  const decision = asObject(message['decision'] ?? null) ?? {}
  const tool = textOf(decision, 'tool_id').replace('shop.', '')
  return { action: textOf(decision, 'action_id'), tool, text: textOf(message, 'arguments') }
}

/** Gateways that hear of no freeze. */
export const gatewaysThatHearNoFreeze: Sabotage = {
  link: (kind, link) => {
    if (kind !== 'gateway') return link
    const deaf = (honest: RecordStore): RecordStore => ({
      get: () => Promise.resolve(undefined),
      list: () => Promise.resolve([]),
      watch: () => ({ stop: () => Promise.resolve() }),
      create: (key, value) => honest.create(key, value),
      replace: (key, value, revision) => honest.replace(key, value, revision),
      remove: (key, revision) => honest.remove(key, revision),
    })
    return {
      ...link,
      records: (of) => {
        const honest = link.records(of)
        return of.bucket === 'freezes' ? deaf(honest) : honest
      },
    }
  },
}

/** A connector that says that nothing was done when it was. */
export const connectorThatLies: Sabotage = {
  connector: (honest) => ({
    ...honest,
    run: async (run) => {
      await honest.run(run)
      return { kind: 'failed', reason: 'tool_error', output: null }
    },
  }),
}

/** A connector that reads the stock once, and from then on remembers what it read. */
export const connectorThatReadsOnce: Sabotage = {
  connector: (honest) => {
    const known = new Map<string, RunOutcome>()
    return {
      ...honest,
      run: async (run) => {
        const before = known.get(run.arguments_text)
        if (run.tool === 'stock' && before !== undefined) return before
        const outcome = await honest.run(run)
        if (run.tool === 'stock' && outcome.kind === 'succeeded')
          known.set(run.arguments_text, outcome)
        return outcome
      },
    }
  },
}

/** Executors that do not know the secret which they should take out of answers. */
export const executorsWithAnotherSecret: Sabotage = { secret: `another-secret-${hashOf('x')}` }
