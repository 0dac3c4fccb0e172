import { PinRegistry, verifyFreeze } from '@trustgw/executor'
import {
  base64urlEncode,
  canonicalize,
  type FreezeNotice,
  type FreezeScope,
  type FreezeStatement,
  freezeNoticeJson,
  type Hash,
  hashText,
  readFreezeNotice,
  sealFreezeNotice,
  statementHash,
  type TenantId,
  type ThawStatement,
  type UnverifiedNotice,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type BusLink,
  isForGood,
  loadTrust,
  nodeRandom,
  type PublicKeys,
  type RecordStore,
  type Settings,
  sha256,
  storeNotice,
} from '@trustgw/runtime'
import { openData } from '../install/data.ts'
import { tenantOf } from '../install/install.ts'
import { type Layout, layoutOf } from '../install/layout.ts'
import { rootSigner } from '../keys/signers.ts'

const NONCE_BYTES = 16
const OPERATOR = 'operator'

/** A freeze as an executor of this machine would believe it. */
export interface KnownFreeze {
  readonly hash: Hash
  readonly statement: FreezeStatement
  readonly reason: string
  readonly vouched: string
  /** No thaw ends it. */
  readonly final: boolean
  /** The thaw that ended it; null while it stands. */
  readonly thaw: { readonly by: string; readonly at: number } | null
}

export interface Sealed {
  readonly unverified: UnverifiedNotice
  readonly bytes: Uint8Array
}

/** Something stands still from now on, by the operator's key. */
export function operatorFreeze(
  settings: Settings,
  freeze: {
    readonly scope: FreezeScope
    readonly reason: string
    readonly counter: number
    /** No thaw ends it. */
    readonly final?: boolean
  },
): Promise<Sealed> {
  const { scope, reason, counter, final = false } = freeze
  return sealed(settings, reason, {
    typ: 'trustgw/freeze/1',
    tenant: tenantOf(settings),
    scope,
    reason_hash: hashText(sha256, reason),
    counter,
    ...(final ? { final } : {}),
    ...now(),
  })
}

/** One freeze is over, by the operator's key. */
export function operatorThaw(settings: Settings, freeze: Hash, reason: string): Promise<Sealed> {
  return sealed(settings, reason, {
    typ: 'trustgw/thaw/1',
    tenant: tenantOf(settings),
    freeze_hash: freeze,
    reason_hash: hashText(sha256, reason),
    ...now(),
  })
}

function now(): Pick<FreezeStatement, 'by' | 'at' | 'nonce'> {
  return { by: OPERATOR, at: Date.now(), nonce: base64urlEncode(nodeRandom.bytes(NONCE_BYTES)) }
}

async function sealed(
  settings: Settings,
  reason: string,
  statement: FreezeStatement | ThawStatement,
): Promise<Sealed> {
  const signer = await rootSigner(settings)
  const notice: FreezeNotice = sealFreezeNotice(
    sha256,
    { statement, reason, assertion: null },
    signer,
  )
  const bytes = utf8Encode(canonicalize(freezeNoticeJson(notice)))
  return { unverified: { notice, hash: statementHash(sha256, statement) }, bytes }
}

/** The operator's hand on the bucket `freezes`, for as long as one command takes. */
export class FreezeAdmin {
  readonly #link: BusLink
  readonly #keys: PublicKeys
  readonly #layout: Layout
  readonly #tenant: TenantId

  private constructor(link: BusLink, keys: PublicKeys, settings: Settings) {
    this.#link = link
    this.#keys = keys
    this.#layout = layoutOf(settings)
    this.#tenant = tenantOf(settings)
  }

  /** `BusFault` where no bus answers. */
  static async open(settings: Settings): Promise<FreezeAdmin> {
    const keys = await loadTrust(layoutOf(settings).operatorTrust)
    return new FreezeAdmin(await openData(settings), keys, settings)
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }

  /** Every freeze on the bus that the pins of this machine's executor bear out, the oldest first. */
  async list(): Promise<readonly KnownFreeze[]> {
    const notices = await this.#believed()
    const thaws = new Map<Hash, ThawStatement>()
    for (const { notice } of notices) {
      if (notice.statement.typ === 'trustgw/thaw/1') {
        thaws.set(notice.statement.freeze_hash, notice.statement)
      }
    }
    return notices.flatMap(({ notice, hash, vouched }) => {
      const { statement, reason } = notice
      if (statement.typ !== 'trustgw/freeze/1') return []
      const final = isForGood(statement, vouched)
      const thaw = final ? undefined : thaws.get(hash)
      const ended = thaw === undefined ? null : { by: thaw.by, at: thaw.at }
      return [{ hash, statement, reason, vouched, final, thaw: ended }]
    })
  }

  async store({ unverified, bytes }: Sealed): Promise<void> {
    await storeNotice(this.#records(), unverified, bytes)
  }

  async #believed(): Promise<readonly (UnverifiedNotice & { readonly vouched: string })[]> {
    const pins = new PinRegistry(this.#layout.executor.pins)
    const trust = { trust: this.#keys, pins, sha256 }
    const found: (UnverifiedNotice & { readonly vouched: string })[] = []
    for (const { value } of await this.#records().list(this.#tenant)) {
      const read = readFreezeNotice(value, sha256)
      if (!read.ok || read.value.notice.statement.tenant !== this.#tenant) continue
      const verified = await verifyFreeze(read.value, trust, Date.now())
      if (verified.ok) found.push({ ...read.value, vouched: verified.value })
    }
    return found
  }

  #records(): RecordStore {
    return this.#link.records({ home: 'own', bucket: 'freezes' })
  }
}
