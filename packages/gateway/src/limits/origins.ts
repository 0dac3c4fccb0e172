import {
  type ActionId,
  hashJson,
  type Json,
  type Sha256,
  storedKey,
  type TenantId,
  utf8Encode,
  valueAt,
} from '@trustgw/protocol'
import type { RecordStore } from '@trustgw/runtime'
import type { Recalled } from '../action/action-store.ts'
import { isTraceable, originsOf, resultsOf, type Traceable } from './provenance.ts'
import type { TracedCall } from './trace.ts'

/** Actions that are read at the same time. */
const READS_AT_ONCE = 8

export interface OriginsDeps {
  readonly store: RecordStore
  readonly action: (tenant: TenantId, id: ActionId) => Promise<Recalled>
  readonly sha256: Sha256
}

/** The calls among whose results an origin may be; not complete where some were left out. */
export interface Earlier {
  readonly calls: readonly TracedCall[]
  readonly complete: boolean
}

/** Finds where values came from, and remembers which ones ran (spec/policy.md "What a rule can match"). */
export class Origins {
  readonly #deps: OriginsDeps

  constructor(deps: OriginsDeps) {
    this.#deps = deps
  }

  /** Those of the pointers at which the arguments have a value that may have an origin. */
  traceable(pointers: readonly string[], args: Json, tool: string): readonly Traceable[] {
    return pointers.flatMap((pointer) => {
      const value = valueAt(args, pointer)
      return isTraceable(value) ? [{ tool, pointer, value }] : []
    })
  }

  /** By pointer; what is not there is unknown. */
  async find(
    tenant: TenantId,
    values: readonly Traceable[],
    earlier: Earlier,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    if (values.length === 0) return new Map()
    const records = await this.#records(tenant, earlier.calls)
    const results = resultsOf(records, this.#deps.sha256)
    const known = { ...results, complete: results.complete && earlier.complete }
    const firstSeen = await Promise.all(
      values.map(
        async (value) => (await this.#deps.store.get(this.key(tenant, value))) === undefined,
      ),
    )
    return new Map(
      values.flatMap((value, at) => {
        const origins = originsOf(value, known, firstSeen[at] === true)
        return origins === undefined ? [] : [[value.pointer, origins]]
      }),
    )
  }

  /**
   * Under which key it is remembered that a tool succeeded with a value at a pointer in this tenant.
   * Of the tool too: else a harmless one would make a payee known to one that pays.
   */
  key(tenant: TenantId, { tool, pointer, value }: Traceable): string {
    const { sha256 } = this.#deps
    return `${tenant}.${storedKey(sha256, 's', hashJson(sha256, { tool, pointer, value }))}`
  }

  async remember(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#deps.store.create(key, SEEN)))
  }

  async #records(tenant: TenantId, calls: readonly TracedCall[]): Promise<readonly Recalled[]> {
    const records: Recalled[] = []
    for (let at = 0; at < calls.length; at += READS_AT_ONCE) {
      const some = calls.slice(at, at + READS_AT_ONCE)
      records.push(
        ...(await Promise.all(some.map(({ action }) => this.#deps.action(tenant, action)))),
      )
    }
    return records
  }
}

const SEEN = utf8Encode('{}')
