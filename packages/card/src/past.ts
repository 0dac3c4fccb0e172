import type { ArgumentRow } from './arguments.ts'
import { folded, skeleton } from './confusable.ts'
import type { EarlierCall } from './earlier.ts'
import { judgeValue } from './judge-value.ts'

/** What a value must not be taken for, and what that is. */
export interface KnownText {
  readonly text: string
  readonly what: string
}

/** How one value stands to what was approved before. */
export type Standing =
  /** As in every earlier call. */
  | { readonly kind: 'always' }
  /** Approved at this place before, in `times` of `of` calls. */
  | { readonly kind: 'seen'; readonly times: number; readonly of: number }
  /** Never approved at this place, where every call has had another value so far. */
  | { readonly kind: 'varies'; readonly of: number }
  /** Never approved at this place, where values do come again. */
  | { readonly kind: 'new'; readonly of: number }
  /** No earlier call had anything at this place. */
  | { readonly kind: 'new_place'; readonly of: number }

interface Place {
  /** In how many calls each value stood there. */
  readonly calls: Map<string, number>
  /** Values in all, those that came again too. */
  count: number
}

/**
 * Earlier calls and known names, read once: an agent chooses how many values there are, and must not be
 * able to make a card slow by it.
 */
export class Past {
  readonly #of: number
  readonly #places = new Map<string, Place>()
  readonly #exact = new Set<string>()
  readonly #alike = new Map<string, KnownText>()
  /** Every host and domain that an earlier call named. */
  readonly hosts: Set<string> = new Set<string>()

  constructor(earlier: readonly EarlierCall[], known: readonly KnownText[]) {
    this.#of = earlier.length
    for (const text of known) this.#know(text)
    for (const { reviewed } of earlier) this.#takeIn(reviewed.rows)
  }

  standing(row: ArgumentRow): Standing | null {
    const of = this.#of
    if (of === 0) return null
    const place = this.#places.get(placeOf(row.pointer))
    if (place === undefined) return { kind: 'new_place', of }
    const times = place.calls.get(valueKey(row)) ?? 0
    if (times === of) return { kind: 'always' }
    if (times > 0) return { kind: 'seen', times, of }
    return { kind: place.calls.size === place.count ? 'varies' : 'new', of }
  }

  /** A known text that this one looks like without being it. */
  lookAlike(text: string): KnownText | undefined {
    if (this.#exact.has(folded(text))) return undefined
    const key = skeleton(text)
    return key === undefined || key === '' ? undefined : this.#alike.get(key)
  }

  #takeIn(rows: readonly ArgumentRow[]): void {
    const inThisCall = new Set<string>()
    for (const row of rows) {
      const key = placeOf(row.pointer)
      const place = this.#places.get(key) ?? { calls: new Map<string, number>(), count: 0 }
      this.#places.set(key, place)
      place.count += 1
      const value = valueKey(row)
      if (!inThisCall.has(`${key} ${value}`)) {
        place.calls.set(value, (place.calls.get(value) ?? 0) + 1)
        inThisCall.add(`${key} ${value}`)
      }
      if (row.type !== 'text') continue
      this.#know({ text: row.text, what: `approved before at ${row.pointer}` })
      const { host } = judgeValue(row)
      if (host !== null) this.hosts.add(host)
    }
  }

  #know(known: KnownText): void {
    this.#exact.add(folded(known.text))
    const key = skeleton(known.text)
    if (key !== undefined && !this.#alike.has(key)) this.#alike.set(key, known)
  }
}

/** Elements of a list stand in one place: what was first before may be second now. */
export function placeOf(pointer: string): string {
  return pointer.replaceAll(/\/\d+(?=\/|$)/g, '/#')
}

function valueKey({ type, text }: ArgumentRow): string {
  return `${type} ${text}`
}
