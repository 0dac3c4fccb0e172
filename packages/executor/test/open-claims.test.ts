import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusLink, InsertOnlyOutcome } from '@trustgw/runtime'
import { openClaims } from '../src/admit/open-claims.ts'
import { ExecutorFault } from '../src/executor-fault.ts'
import { World } from './support/world.ts'

/** The executor's own link; of one bucket it says something else. */
function linkThatSays(bucket: string, found: InsertOnlyOutcome): BusLink {
  const link = new World().executor
  return {
    ...link,
    claims: (of) => {
      const store = link.claims(of)
      return of.bucket !== bucket || of.home !== 'exd'
        ? store
        : {
            claim: (key, claim) => store.claim(key, claim),
            read: (key) => store.read(key),
            verifyInsertOnly: () => Promise.resolve(found),
          }
    },
  }
}

test('an executor opens its own nonces and journal', async () => {
  const { executor } = new World()
  const { nonces, journal } = await openClaims(executor)
  await nonces.claim('demo.n', { attempt: 'attempt-aaaaaaaaaaaaaaaa' })
  const seen = executor.claims({ home: 'exd', bucket: 'grant_nonces' })
  assert.equal((await seen.read('demo.n'))?.attempt, 'attempt-aaaaaaaaaaaaaaaa')
  assert.equal(await journal.read('demo.n'), undefined)
})

test('no executor starts where an entry of either could vanish', async () => {
  for (const bucket of ['grant_nonces', 'journal']) {
    const link = linkThatSays(bucket, {
      ok: false,
      reason: 'not_insert_only',
      setting: 'allow_rollup_hdrs',
    })
    await assert.rejects(
      openClaims(link),
      (error) =>
        error instanceof ExecutorFault &&
        error.code === 'stream_not_insert_only' &&
        error.lines.join() === 'allow_rollup_hdrs',
    )
  }
})
