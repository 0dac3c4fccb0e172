import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeRandom } from '@trustgw/runtime'
import {
  ACCOUNT_TRIES_COUNT,
  ACCOUNT_WINDOW_MS,
  ACCOUNTS_MAX_COUNT,
  LINK_CODE_TRIES_COUNT,
  LINK_CODE_TTL_MS,
  LinkBook,
} from '../src/channels/link-book.ts'

/** A code of six digits that is none of these. */
const other = (...codes: readonly string[]): string => {
  const all = Array.from({ length: codes.length + 1 }, (_, n) => String(n).padStart(6, '0'))
  return all.find((code) => !codes.includes(code)) ?? ''
}

test('a code of six digits links once, however it is written', () => {
  for (const write of [(c: string) => c, (c: string) => ` /start ${c} `, spaced]) {
    const book = new LinkBook(nodeRandom)
    const { code, expiresAt } = book.open('telegram', 'ann', 1_000)
    assert.match(code, /^\d{6}$/)
    assert.equal(expiresAt, 1_000 + LINK_CODE_TTL_MS)
    const taken = book.take('telegram', '7', write(code), 1_001)
    assert.deepEqual(taken, { kind: 'matched', person: 'ann' })
    assert.deepEqual(book.take('telegram', '8', write(code), 1_002), { kind: 'wrong' })
  }
})

function spaced(code: string): string {
  return `${code.slice(0, 3)} ${code.slice(3)}`
}

test('a code holds three minutes, in its own chat, and a newer one voids it', () => {
  const book = new LinkBook(nodeRandom)
  const first = book.open('telegram', 'ann', 0).code
  assert.equal(book.take('slack', '7', first, 1).kind, 'wrong')
  const second = book.open('telegram', 'ann', 2).code
  if (first !== second) assert.equal(book.take('telegram', '7', first, 3).kind, 'wrong')
  assert.equal(book.take('telegram', '7', second, 2 + LINK_CODE_TTL_MS).kind, 'wrong')
  const third = book.open('telegram', 'ann', 10).code
  assert.equal(book.take('telegram', '7', third, 9 + LINK_CODE_TTL_MS).kind, 'matched')
})

test('three wrong tries void a code, whoever made them', () => {
  const book = new LinkBook(nodeRandom)
  const { code } = book.open('telegram', 'ann', 0)
  for (let n = 0; n < LINK_CODE_TRIES_COUNT; n += 1)
    assert.equal(book.take('telegram', `stranger-${n}`, other(code), n).kind, 'wrong')
  assert.equal(book.take('telegram', '7', code, 9).kind, 'wrong')
})

test('an account is heard ten times in half an hour, whatever it writes', () => {
  const book = new LinkBook(nodeRandom)
  for (let n = 0; n < ACCOUNT_TRIES_COUNT; n += 1)
    assert.equal(book.take('telegram', '7', 'hello', n).kind, 'no_code')
  const { code } = book.open('telegram', 'ann', 20)
  assert.equal(book.take('telegram', '7', code, 21).kind, 'silent')
  assert.equal(book.take('telegram', '8', code, 22).kind, 'matched')
  assert.equal(book.take('telegram', '7', 'hello', ACCOUNT_WINDOW_MS).kind, 'no_code')
})

test('strangers without number take no memory without bound', () => {
  const book = new LinkBook(nodeRandom)
  for (let n = 0; n < ACCOUNTS_MAX_COUNT * 2; n += 1) book.take('slack', `U${n}`, 'x', 0)
  assert.equal(book.accounts, ACCOUNTS_MAX_COUNT)
})
