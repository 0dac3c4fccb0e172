import { crc32, deflateSync, inflateSync } from 'node:zlib'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const PALETTE_MAX = 256
const COMPRESSION = 9

interface Pixels {
  readonly width: number
  readonly height: number
  /** Bytes of one pixel: 3 or 4, of which the first three are used. */
  readonly size: number
  readonly data: Buffer
}

/**
 * A screenshot with at most 256 colours instead of 16 million: a third of the size, and of these
 * pages the eye sees no difference. Reads what the browser writes: 8 bits, no interlace.
 */
export function indexedPng(png: Buffer): Buffer {
  const pixels = decode(png)
  const colours = paletteOf(pixels)
  const rows = Buffer.alloc((pixels.width + 1) * pixels.height)
  const nearest = new Map<number, number>()
  for (let y = 0; y < pixels.height; y++) {
    for (let x = 0; x < pixels.width; x++) {
      const colour = colourAt(pixels, y * pixels.width + x)
      let index = nearest.get(colour)
      if (index === undefined) {
        index = nearestOf(colours, colour)
        nearest.set(colour, index)
      }
      rows[y * (pixels.width + 1) + 1 + x] = index
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(pixels.width, 0)
  header.writeUInt32BE(pixels.height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  const palette = Buffer.from(colours.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]))
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows, { level: COMPRESSION })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

function decode(png: Buffer): Pixels {
  const parts: Buffer[] = []
  let header = Buffer.alloc(0)
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at)
    const type = png.toString('latin1', at + 4, at + 8)
    const data = png.subarray(at + 8, at + 8 + length)
    if (type === 'IHDR') header = Buffer.from(data)
    if (type === 'IDAT') parts.push(data)
    at += length + 12
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  const size = header[9] === 6 ? 4 : 3
  return {
    width,
    height,
    size,
    data: unfilter(inflateSync(Buffer.concat(parts)), width * size, size),
  }
}

function unfilter(raw: Buffer, stride: number, size: number): Buffer {
  const height = raw.length / (stride + 1)
  const out = Buffer.alloc(height * stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)] ?? 0
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x >= size ? (out[at - size] ?? 0) : 0
      const up = y > 0 ? (out[at - stride] ?? 0) : 0
      const corner = x >= size && y > 0 ? (out[at - stride - size] ?? 0) : 0
      const value = raw[y * (stride + 1) + 1 + x] ?? 0
      out[at] = value + predict(filter, left, up, corner)
    }
  }
  return out
}

function predict(filter: number, left: number, up: number, corner: number): number {
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  if (filter !== 4) return 0
  const guess = left + up - corner
  const [a, b, c] = [left, up, corner].map((side) => Math.abs(guess - side))
  if ((a ?? 0) <= (b ?? 0) && (a ?? 0) <= (c ?? 0)) return left
  return (b ?? 0) <= (c ?? 0) ? up : corner
}

function colourAt(pixels: Pixels, index: number): number {
  const at = index * pixels.size
  const [red = 0, green = 0, blue = 0] = pixels.data.subarray(at, at + 3)
  return (red << 16) | (green << 8) | blue
}

function paletteOf(pixels: Pixels): readonly number[] {
  const counts = new Map<number, number>()
  for (let i = 0; i < pixels.width * pixels.height; i++) {
    const colour = colourAt(pixels, i)
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  const chosen = new Map<number, number>()
  for (const [colour] of [...counts].sort(([, a], [, b]) => b - a)) {
    // One of each neighbourhood of colours, the most frequent.
    const area = colour & 0xf8f8f8
    if (!chosen.has(area)) chosen.set(area, colour)
    if (chosen.size === PALETTE_MAX) break
  }
  return [...chosen.values()]
}

function nearestOf(colours: readonly number[], colour: number): number {
  let best = 0
  let bestDistance = Number.POSITIVE_INFINITY
  for (const [index, candidate] of colours.entries()) {
    const distance = [16, 8, 0].reduce(
      (sum, shift) => sum + (((candidate >> shift) & 255) - ((colour >> shift) & 255)) ** 2,
      0,
    )
    if (distance < bestDistance) [best, bestDistance] = [index, distance]
  }
  return best
}
