import { Buffer } from 'node:buffer'
import { linesOf } from './stdio-lines.ts'

/** Longest line of an event: a result of the gateway is at most 1 MiB, and its escapes. */
const EVENT_MAX_BYTES = 16_777_216

/** The data of each event of a server-sent stream; comments, names and ids say nothing here. */
export async function* eventData(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let data: string[] = []
  for await (const line of linesOf(stream, EVENT_MAX_BYTES)) {
    if (line === 'too_long') throw new RangeError('an event is too long')
    const text = Buffer.from(line).toString('utf8')
    if (text.startsWith('data:')) data.push(text.slice(text.startsWith('data: ') ? 6 : 5))
    if (text === '' && data.length > 0) {
      yield data.join('\n')
      data = []
    }
  }
}
