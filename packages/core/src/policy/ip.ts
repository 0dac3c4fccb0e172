/** IP literals and ranges, lexically: no name is ever resolved (that is the executor's). */

/** An address as a number of 128 bits; an IPv4 address as its IPv4-mapped one. */
export type Address = bigint

export interface Cidr {
  readonly first: Address
  readonly last: Address
}

const V4_MAPPED: Address = 0xffff_0000_0000n
const ALL_BITS = 128

/** Four decimal numbers without leading zeros; the forms that only some parsers read are none. */
export function parseIpv4(text: string): Address | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  let value = 0n
  for (const part of parts) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null
    value = value * 256n + BigInt(part)
  }
  return V4_MAPPED + value
}

/** The groups of one side of `::`; only the last of an address may be written with dots. */
function groupsOf(text: string, isEnd: boolean): readonly number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = isEnd && index === parts.length - 1 ? parseIpv4(part) : null
      if (v4 === null) return null
      groups.push(Number((v4 >> 16n) & 0xffffn), Number(v4 & 0xffffn))
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}

/** RFC 4291 text forms, without a zone. */
export function parseIpv6(text: string): Address | null {
  const halves = text.split('::')
  if (halves.length > 2 || !text.includes(':')) return null
  const head = groupsOf(halves[0] ?? '', halves.length === 1)
  const tail = groupsOf(halves[1] ?? '', true)
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  return groups.reduce((value, group) => value * 65_536n + BigInt(group), 0n)
}

export function parseAddress(text: string): Address | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** `10.0.0.0/8`, `fe80::/10`, or a single address. Bits beyond the prefix must be zero. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/')
  const literal = slash === -1 ? text : text.slice(0, slash)
  const first = parseAddress(literal)
  if (first === null) return null
  const width = literal.includes(':') ? ALL_BITS : 32
  const written = slash === -1 ? String(width) : text.slice(slash + 1)
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(written) || Number(written) > width) return null
  const span = (1n << BigInt(width - Number(written))) - 1n
  return (first & span) === 0n ? { first, last: first + span } : null
}

export const inCidr = (address: Address, { first, last }: Cidr): boolean =>
  first <= address && address <= last

/** What lies inside a network, or means this machine, or is nobody's (RFC 6890 and its successors). */
const PRIVATE: readonly Cidr[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/96',
  '64:ff9b::/32',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/9',
  'ff00::/8',
].flatMap((text) => parseCidr(text) ?? [])

/** Whether an address is no public one: private, link-local, loopback, reserved, or a tunnel's. */
export function isPrivate(address: Address): boolean {
  return PRIVATE.some((range) => inCidr(address, range))
}
