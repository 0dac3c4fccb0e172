/**
 * The Merkle tree of the log (spec/protocol.md §7; RFC 6962 §2.1, verification as in RFC 9162
 * §2.1.3 and §2.1.4). Hashes are 64 lower-case hex digits. Sizes stay exact up to 2^53 - 1.
 */
import { Fault, hexDecode, type Sha256 } from '@trustgw/protocol'

const HASH_BYTES = 32
const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01

function joined(prefix: number, parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0))
  bytes[0] = prefix
  let at = 1
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function hashBytes(hex: string): Uint8Array {
  const bytes = hexDecode(hex)
  if (bytes?.length !== HASH_BYTES) throw new Fault('tree_hash', 'a tree hash is 64 hex digits')
  return bytes
}

/** The hash of an entry, apart from that of a node, so that neither passes for the other. */
export function leafHash(sha256: Sha256, entry: Uint8Array): string {
  return sha256(joined(LEAF_PREFIX, [entry]))
}

/** Fault `tree_hash` when a side is no hash. */
export function nodeHash(sha256: Sha256, left: string, right: string): string {
  return sha256(joined(NODE_PREFIX, [hashBytes(left), hashBytes(right)]))
}

/**
 * What is needed to append: the roots of the perfect subtrees, largest first. Plain JSON, so the
 * sequencer stores it beside its checkpoint.
 */
export interface CompactRange {
  readonly size: number
  readonly nodes: readonly string[]
}

export const EMPTY_RANGE: CompactRange = { size: 0, nodes: [] }

const bitCount = (value: number): number => {
  let count = 0
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** The range with one more leaf. Fault `tree_range` when the given one fits no size. */
export function appendLeaf(sha256: Sha256, range: CompactRange, leaf: string): CompactRange {
  const { size } = range
  if (!Number.isSafeInteger(size + 1) || size < 0 || range.nodes.length !== bitCount(size)) {
    throw new Fault('tree_range', 'not a compact range')
  }
  const nodes = [...range.nodes]
  let node = leaf
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
    node = nodeHash(sha256, nodes.pop() ?? '', node)
  }
  nodes.push(node)
  return { size: size + 1, nodes }
}

export function rangeRoot(sha256: Sha256, range: CompactRange): string {
  const last = range.nodes.at(-1)
  if (last === undefined) return sha256(new Uint8Array(0))
  return range.nodes.slice(0, -1).reduceRight((root, node) => nodeHash(sha256, node, root), last)
}

export function treeRoot(sha256: Sha256, leaves: readonly string[]): string {
  return rangeRoot(
    sha256,
    leaves.reduce((range, leaf) => appendLeaf(sha256, range, leaf), EMPTY_RANGE),
  )
}

/** The largest power of two below `size`, which is at least 2. */
function splitPoint(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

function checkIndex(holds: boolean): void {
  if (!holds) throw new Fault('tree_index', 'index or size outside the tree')
}

/** Proof that leaf `index` is in the tree of all `leaves`. Fault `tree_index` outside of it. */
export function inclusionProof(
  sha256: Sha256,
  leaves: readonly string[],
  index: number,
): readonly string[] {
  checkIndex(Number.isInteger(index) && index >= 0 && index < leaves.length)
  if (leaves.length === 1) return []
  const split = splitPoint(leaves.length)
  const left = leaves.slice(0, split)
  const right = leaves.slice(split)
  return index < split
    ? [...inclusionProof(sha256, left, index), treeRoot(sha256, right)]
    : [...inclusionProof(sha256, right, index - split), treeRoot(sha256, left)]
}

/**
 * Proof that the tree of the first `oldSize` leaves is a beginning of the tree of all. Empty when
 * both are the same or the old one is empty. Fault `tree_index` when `oldSize` is larger.
 */
export function consistencyProof(
  sha256: Sha256,
  leaves: readonly string[],
  oldSize: number,
): readonly string[] {
  checkIndex(Number.isInteger(oldSize) && oldSize >= 0 && oldSize <= leaves.length)
  return oldSize === 0 ? [] : subproof(sha256, leaves, oldSize, true)
}

function subproof(
  sha256: Sha256,
  leaves: readonly string[],
  oldSize: number,
  isWhole: boolean,
): readonly string[] {
  if (oldSize === leaves.length) return isWhole ? [] : [treeRoot(sha256, leaves)]
  const split = splitPoint(leaves.length)
  const left = leaves.slice(0, split)
  const right = leaves.slice(split)
  return oldSize <= split
    ? [...subproof(sha256, left, oldSize, isWhole), treeRoot(sha256, right)]
    : [...subproof(sha256, right, oldSize - split, false), treeRoot(sha256, left)]
}

export interface Inclusion {
  readonly leaf: string
  readonly index: number
  readonly size: number
  readonly root: string
  readonly proof: readonly string[]
}

const isHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** True exactly when the proof shows the leaf at that index of the tree with that root. */
export function verifyInclusion(sha256: Sha256, claim: Inclusion): boolean {
  const { leaf, index, size, root, proof } = claim
  if (!isSize(index) || !isSize(size) || index >= size) return false
  if (![leaf, root, ...proof].every(isHash)) return false
  let position = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sha256, sibling, hash)
      for (; position % 2 === 0 && position !== 0; position /= 2) last = Math.floor(last / 2)
    } else {
      hash = nodeHash(sha256, hash, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && hash === root
}

export interface Consistency {
  readonly old_size: number
  readonly old_root: string
  readonly new_size: number
  readonly new_root: string
  readonly proof: readonly string[]
}

/** True exactly when the proof shows the old tree to be a beginning of the new one. */
export function verifyConsistency(sha256: Sha256, claim: Consistency): boolean {
  const { old_size, old_root, new_size, new_root, proof } = claim
  if (!isSize(old_size) || !isSize(new_size) || old_size > new_size) return false
  if (![old_root, new_root, ...proof].every(isHash)) return false
  if (old_size === 0) return proof.length === 0 && old_root === sha256(new Uint8Array(0))
  if (old_size === new_size) return proof.length === 0 && old_root === new_root
  return pathAgrees(sha256, claim)
}

function pathAgrees(sha256: Sha256, claim: Consistency): boolean {
  let position = claim.old_size - 1
  let last = claim.new_size - 1
  for (; position % 2 === 1; position = (position - 1) / 2) last = Math.floor(last / 2)
  // An old size that is a power of two is a node of the new tree itself and not in the proof.
  const [first, ...rest] = position === 0 ? [claim.old_root, ...claim.proof] : claim.proof
  if (first === undefined) return false
  let oldHash = first
  let newHash = first
  for (const sibling of rest) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      oldHash = nodeHash(sha256, sibling, oldHash)
      newHash = nodeHash(sha256, sibling, newHash)
      for (; position % 2 === 0 && position !== 0; position /= 2) last = Math.floor(last / 2)
    } else {
      newHash = nodeHash(sha256, newHash, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && oldHash === claim.old_root && newHash === claim.new_root
}
