const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const GROUP_BITS = 5
const BYTE_BITS = 8

/** RFC 4648 base 32 without padding, as nkeys and NATS tokens use it. */
export function base32Encode(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << BYTE_BITS) | byte
    bits += BYTE_BITS
    while (bits >= GROUP_BITS) {
      bits -= GROUP_BITS
      text += ALPHABET.charAt((held >>> bits) & 31)
    }
    held &= 31
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (GROUP_BITS - bits)) & 31)
}

/** The bytes of canonical base 32, or `undefined` when `text` is not exactly what encoding gives. */
export function base32Decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * GROUP_BITS) / BYTE_BITS))
  let length = 0
  let held = 0
  let bits = 0
  for (const char of text) {
    const value = ALPHABET.indexOf(char)
    if (value < 0) return undefined
    held = ((held << GROUP_BITS) | value) & 0xfff
    bits += GROUP_BITS
    if (bits < BYTE_BITS) continue
    bits -= BYTE_BITS
    bytes[length] = (held >>> bits) & 0xff
    length += 1
  }
  return base32Encode(bytes) === text ? bytes : undefined
}
