/** Far above any key: RSA-4096 takes 512 bytes. */
const CBOR_MAX_BYTES = 1_024
const CBOR_MAX_ENTRIES = 8

export type CborValue = number | Uint8Array

interface Head {
  readonly major: number
  readonly argument: number
}

/**
 * Reads one CBOR map whose keys are integers and whose values are integers or byte strings, in the
 * canonical form that CTAP2 demands: definite and shortest lengths, no name twice, nothing after
 * it. Undefined for anything else.
 */
export function readIntegerMap(bytes: Uint8Array): ReadonlyMap<number, CborValue> | undefined {
  if (bytes.length > CBOR_MAX_BYTES) return undefined
  const reader = new Reader(bytes)
  const head = reader.head()
  if (head?.major !== 5 || head.argument > CBOR_MAX_ENTRIES) return undefined
  const map = new Map<number, CborValue>()
  for (let i = 0; i < head.argument; i++) {
    const key = reader.value()
    const value = reader.value()
    if (typeof key !== 'number' || value === undefined || map.has(key)) return undefined
    map.set(key, value)
  }
  return reader.atEnd() ? map : undefined
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  head(): Head | undefined {
    const first = this.#bytes[this.#at]
    if (first === undefined) return undefined
    this.#at++
    const short = first & 31
    const argument = short < 24 ? short : this.#longArgument(short)
    return argument === undefined ? undefined : { major: first >> 5, argument }
  }

  value(): CborValue | undefined {
    const head = this.head()
    if (head === undefined) return undefined
    if (head.major === 0) return head.argument
    if (head.major === 1) return -1 - head.argument
    if (head.major !== 2) return undefined
    const end = this.#at + head.argument
    if (end > this.#bytes.length) return undefined
    const value = this.#bytes.slice(this.#at, end)
    this.#at = end
    return value
  }

  /** One or two bytes; longer ones never occur below `CBOR_MAX_BYTES`. */
  #longArgument(short: number): number | undefined {
    const size = short - 23
    if (size > 2) return undefined
    let argument = 0
    for (let i = 0; i < size; i++) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return undefined
      this.#at++
      argument = argument * 256 + byte
    }
    return argument < (size === 1 ? 24 : 256) ? undefined : argument
  }
}
