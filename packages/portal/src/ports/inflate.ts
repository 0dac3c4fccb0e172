import { base64urlDecode } from '@trustgw/protocol'

/** Raw DEFLATE in base64url as text; undefined for what is none, is longer than `maxBytes` or not UTF-8. */
export async function inflateText(deflated: string, maxBytes: number): Promise<string | undefined> {
  const bytes = base64urlDecode(deflated)
  if (bytes === undefined) return undefined
  try {
    const packed = new Blob([new Uint8Array(bytes)])
    const stream = packed.stream().pipeThrough(new DecompressionStream('deflate-raw'))
    return await readText(stream, maxBytes)
  } catch {
    return undefined
  }
}

async function readText(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<string | undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const reader = stream.getReader()
  let text = ''
  let total = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    total += value.length
    if (total > maxBytes) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}
