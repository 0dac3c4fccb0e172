import { Buffer } from 'node:buffer'

const NEWLINE = 0x0a
const RETURN = 0x0d

/**
 * The lines of a byte stream, without their ends. A line of more than `maxBytes` comes as `too_long`
 * and is thrown away as it arrives. A last line without an end counts.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<Uint8Array | 'too_long'> {
  let parts: Uint8Array[] = []
  let size = 0
  const take = (part: Uint8Array): void => {
    size += part.length
    if (size <= maxBytes) parts.push(part)
    else parts = []
  }
  const line = (): Uint8Array | 'too_long' => {
    const whole = size > maxBytes ? 'too_long' : withoutReturn(Buffer.concat(parts))
    parts = []
    size = 0
    return whole
  }
  for await (const chunk of stream) {
    let rest: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      take(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      yield line()
    }
    take(rest)
  }
  if (size > 0) yield line()
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line
}
