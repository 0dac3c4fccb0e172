import { base64urlDecode } from '@trustgw/protocol'

/** Longest text that is unpacked, in bytes; a policy file may have 2 MiB of characters. */
const INFLATED_MAX_BYTES = 8 * 1024 * 1024

/** Raw DEFLATE in base64url as text; undefined for what is none, is too long or not UTF-8. */
export async function inflateText(deflated: string): Promise<string | undefined> {
  const bytes = base64urlDecode(deflated)
  if (bytes === undefined) return undefined
  try {
    const packed = new Blob([new Uint8Array(bytes)])
    return await readText(packed.stream().pipeThrough(new DecompressionStream('deflate-raw')))
  } catch {
    return undefined
  }
}

async function readText(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const reader = stream.getReader()
  let text = ''
  let total = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    total += value.length
    if (total > INFLATED_MAX_BYTES) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}
