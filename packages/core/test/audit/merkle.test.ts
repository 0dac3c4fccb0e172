import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  appendLeaf,
  consistencyProof,
  EMPTY_RANGE,
  inclusionProof,
  leafHash,
  rangeRoot,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '@trustgw/core'
import fc from 'fast-check'
import { sha256 } from '../hashing.ts'

/** The reference inputs of the Certificate Transparency implementations. */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const A = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7'
const B = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e'
const C = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'
const D = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'
const E = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0'
const F = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a'
const root = (size: number): string => ROOTS[size] ?? assert.fail('no such root')

const LEAVES = ENTRIES.map((hex) => leafHash(sha256, new Uint8Array(Buffer.from(hex, 'hex'))))
const leavesOf = (size: number): string[] =>
  Array.from({ length: size }, (_, index) => leafHash(sha256, new Uint8Array([index, index >> 8])))

test('the roots of the reference trees of none to eight leaves', () => {
  for (const [size, expected] of ROOTS.entries()) {
    assert.equal(treeRoot(sha256, LEAVES.slice(0, size)), expected)
  }
})

test('appending leaf by leaf gives the same roots with logarithmic state', () => {
  let range = EMPTY_RANGE
  const leaves = leavesOf(300)
  for (const [index, leaf] of leaves.entries()) {
    range = appendLeaf(sha256, JSON.parse(JSON.stringify(range)) as typeof range, leaf)
    assert.ok(range.nodes.length <= Math.ceil(Math.log2(range.size + 1)))
    if (index % 37 === 0) {
      assert.equal(rangeRoot(sha256, range), treeRoot(sha256, leaves.slice(0, index + 1)))
    }
  }
})

test('a range that fits no size is a fault', () => {
  assert.throws(() => appendLeaf(sha256, { size: 3, nodes: [A] }, B), { code: 'tree_range' })
  assert.throws(() => appendLeaf(sha256, { size: 1, nodes: ['xx'] }, B), { code: 'tree_hash' })
})

test('the inclusion proofs of the reference trees', () => {
  const cases = [
    [0, 8, [A, B, C]],
    [5, 8, [D, E, root(4)]],
    [2, 3, [root(2)]],
    [1, 5, [root(1), B, D]],
  ] as const
  for (const [index, size, expected] of cases) {
    const proof = inclusionProof(sha256, LEAVES.slice(0, size), index)
    assert.deepEqual(proof, expected)
    const leaf = LEAVES[index] ?? ''
    assert.ok(verifyInclusion(sha256, { leaf, index, size, root: root(size), proof }))
  }
})

test('the consistency proofs of the reference trees', () => {
  const cases = [
    [1, 1, []],
    [1, 8, [A, B, C]],
    [6, 8, [F, E, root(4)]],
    [2, 5, [B, D]],
  ] as const
  for (const [old_size, new_size, expected] of cases) {
    const proof = consistencyProof(sha256, LEAVES.slice(0, new_size), old_size)
    assert.deepEqual(proof, expected)
    const claim = { old_size, new_size, old_root: root(old_size), new_root: root(new_size), proof }
    assert.ok(verifyConsistency(sha256, claim))
  }
})

test('every leaf of every small tree is proved, at its own place only', () => {
  for (let size = 1; size <= 20; size++) {
    const leaves = leavesOf(size)
    const whole = treeRoot(sha256, leaves)
    for (const [index, leaf] of leaves.entries()) {
      const proof = inclusionProof(sha256, leaves, index)
      for (let claimed = 0; claimed <= size; claimed++) {
        const claim = { leaf, index: claimed, size, root: whole, proof }
        assert.equal(verifyInclusion(sha256, claim), claimed === index)
      }
    }
  }
})

test('every small tree is proved to begin every larger one, and none but its own', () => {
  for (let new_size = 0; new_size <= 20; new_size++) {
    const leaves = leavesOf(new_size)
    const new_root = treeRoot(sha256, leaves)
    for (let old_size = 0; old_size <= new_size; old_size++) {
      const proof = consistencyProof(sha256, leaves, old_size)
      const old_root = treeRoot(sha256, leaves.slice(0, old_size))
      const claim = { old_size, new_size, old_root, new_root, proof }
      assert.ok(verifyConsistency(sha256, claim))
      assert.equal(verifyConsistency(sha256, { ...claim, old_root: A }), false)
      // The empty tree begins every tree, so nothing is shown about the new one.
      const shown = old_size > 0
      assert.equal(verifyConsistency(sha256, { ...claim, new_root: A }), !shown)
      assert.equal(verifyConsistency(sha256, { ...claim, proof: [...proof, A] }), false)
      if (proof.length > 0) {
        assert.equal(verifyConsistency(sha256, { ...claim, proof: proof.slice(1) }), false)
      }
    }
  }
})

test('a proof that is longer or shorter than the way to the root shows nothing', () => {
  const [, , third = '', fourth = ''] = LEAVES
  const toFour = inclusionProof(sha256, LEAVES.slice(0, 4), 2)
  assert.deepEqual(toFour, [fourth, root(2)])
  const four = { leaf: third, index: 2, size: 4, root: root(4), proof: toFour }
  assert.ok(verifyInclusion(sha256, four))
  assert.equal(verifyInclusion(sha256, { ...four, index: 0, size: 2 }), false)
  const toTwo = inclusionProof(sha256, LEAVES.slice(0, 2), 0)
  const two = { leaf: LEAVES[0] ?? '', index: 0, size: 2, root: root(2), proof: toTwo }
  assert.ok(verifyInclusion(sha256, two))
  assert.equal(verifyInclusion(sha256, { ...two, size: 3 }), false)
  const grown = {
    old_size: 1,
    new_size: 2,
    old_root: root(1),
    new_root: root(2),
    proof: consistencyProof(sha256, LEAVES.slice(0, 2), 1),
  }
  assert.ok(verifyConsistency(sha256, grown))
  assert.equal(verifyConsistency(sha256, { ...grown, new_size: 3 }), false)
})

test('a proof with one changed digit, one more or one fewer hash shows nothing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size, pick, spot) => {
      const leaves = leavesOf(size)
      const index = pick % size
      const proof = inclusionProof(sha256, leaves, index)
      const claim = {
        leaf: leaves[index] ?? '',
        index,
        size,
        root: treeRoot(sha256, leaves),
        proof,
      }
      assert.ok(verifyInclusion(sha256, claim))
      const at = spot % proof.length
      const hash = proof[at] ?? ''
      const changed = `${hash.startsWith('0') ? '1' : '0'}${hash.slice(1)}`
      for (const forged of [proof.with(at, changed), [...proof, hash], proof.toSpliced(at, 1)]) {
        assert.equal(verifyInclusion(sha256, { ...claim, proof: forged }), false)
      }
    }),
    { numRuns: 200 },
  )
})

test('claims out of shape show nothing and throw nothing', () => {
  const good = { leaf: root(1), index: 0, size: 1, root: root(1), proof: [] }
  assert.ok(verifyInclusion(sha256, good))
  for (const odd of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.equal(verifyInclusion(sha256, { ...good, index: odd }), false)
    assert.equal(verifyInclusion(sha256, { ...good, size: odd }), false)
  }
  assert.equal(verifyInclusion(sha256, { ...good, proof: ['zz'] }), false)
  const none = { old_size: 2, new_size: 1, old_root: root(2), new_root: root(1), proof: [] }
  assert.equal(verifyConsistency(sha256, none), false)
  assert.equal(verifyConsistency(sha256, { ...none, old_size: 1, new_size: 2 }), false)
})

test('asking for a proof outside the tree is a fault', () => {
  assert.throws(() => inclusionProof(sha256, LEAVES, 8), { code: 'tree_index' })
  assert.throws(() => consistencyProof(sha256, LEAVES, 9), { code: 'tree_index' })
})
