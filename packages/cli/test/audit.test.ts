import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startLog } from '@trustgw/log'
import {
  actionId,
  type Component,
  parseComponent,
  parseTenantId,
  type TenantId,
} from '@trustgw/protocol'
import {
  generateSigningKey,
  keyIdOf,
  loadTrust,
  MemoryBroker,
  nodeRandom,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import { keyEntry, TestOperator } from '@trustgw/testkit/key-sets'
import { type AuditPaths, auditTail, auditVerify } from '../src/commands/audit.ts'
import { PLAIN_STYLE, type Style } from '../src/terminal.ts'

function tenantId(text: string): TenantId {
  const parsed = parseTenantId(text)
  assert.ok(parsed.ok)
  return parsed.value
}

function gatewayComponent(): Component {
  const parsed = parseComponent('gateway')
  assert.ok(parsed.ok)
  return parsed.value
}

/** A state folder with a log of three events, one of them with hostile text. */
async function makeState(): Promise<AuditPaths & { readonly dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'tg-audit-'))
  const audit = generateSigningKey()
  const logKey = generateSigningKey()
  const kid = keyIdOf('audit', audit.publicKey)
  const logKid = keyIdOf('log', logKey.publicKey)
  const operator = new TestOperator()
  const trustDir = join(dir, 'trust')
  const entries = [
    keyEntry({ kid, ...audit }, { role: 'audit', component: 'gateway' }),
    keyEntry({ kid: logKid, ...logKey }, { role: 'log', component: 'log' }),
  ]
  await operator.fill(trustDir, operator.sealed(entries))
  const keys = await loadTrust(trustDir)
  const logDir = join(dir, 'log')
  const broker = new MemoryBroker({ logger: silentLogger })
  const tenant = tenantId('acme')
  const { bus, ...link } = broker.link()
  const log = await startLog({
    link: broker.link(),
    tenants: [tenant],
    keys,
    logKey: { kid: logKid, sign: logKey.sign },
    dir: logDir,
    clock: systemClock,
    logger: silentLogger,
    checkpointIntervalMs: 10,
    gatherMs: 0,
  })
  const writer = await startAuditWriter({
    tenant,
    component: gatewayComponent(),
    instance: 'main',
    kid,
    sign: audit.sign,
    sha256,
    clock: { ...systemClock, now: () => 1_767_225_600_123 },
    random: nodeRandom,
    bus,
    publisher: link.publisher({ stream: 'AUDIT' }),
    reader: link.reader({ home: 'data', stream: 'AUDIT' }),
    keyFor: keys.keyFor({ role: 'audit' }),
  })
  const action_id = actionId(new Uint8Array(16))
  const actor = { kind: 'agent', id: 'bob\u202Ekcab\u200B' } as const
  const input_hash = `sha256:${'0'.repeat(64)}`
  await writer.append('proposed', {
    actor,
    action_id,
    payload: { tool: 'shop.refund', input_hash },
  })
  await writer.append('evaluated', { actor, action_id, payload: { tier: 2, rule: 'refunds' } })
  await writer.append('denied', { actor, action_id, payload: { reason: 'no', from: 'a', to: 'b' } })
  while (log.status().stream_seq < 3) await systemClock.sleep(2)
  await log.stop()
  return { dir, logDir, trustDir }
}

function sink(): { readonly out: { write(text: string): void }; readonly text: () => string } {
  let all = ''
  return {
    out: {
      write: (text) => {
        all += text
      },
    },
    text: () => all,
  }
}

const PLAIN = { json: false, style: PLAIN_STYLE } as const
/** Names its styles instead of colouring. */
const NAMED: Style = { ...PLAIN_STYLE, bad: (text) => `<bad>${text}` }
const signal = new AbortController().signal

describe('the audit commands', () => {
  let state: Awaited<ReturnType<typeof makeState>>
  before(async () => {
    state = await makeState()
  })
  after(() => rm(state.dir, { recursive: true }))

  test('verify of a sound log tells each writer and exits 0', async () => {
    const { out, text } = sink()
    assert.equal(await auditVerify(state, PLAIN, out), 0)
    assert.match(text(), /^✓ acme {2}3 entries; \d checkpoints, the last over 3/)
    assert.match(
      text(),
      /gateway\/main +3 events {2}2026-01-01 00:00:00 → 2026-01-01 00:00:00 {2}ok/,
    )
    assert.match(text(), /Verified\. 3 entries/)
    assert.doesNotMatch(text(), /_other/)
  })

  test('verify of an altered log names line, event and what is wrong, and exits 1', async () => {
    const file = join(state.logDir, 'acme', 'entries.ndjson')
    const whole = await readFile(file, 'utf8')
    await writeFile(file, whole.replace('"tier":2', '"tier":0'))
    const { out, text } = sink()
    const json = sink()
    assert.equal(await auditVerify(state, { ...PLAIN, tenant: 'acme' }, out), 1)
    assert.equal(await auditVerify(state, { json: true, style: NAMED }, json.out), 1)
    await writeFile(file, whole)
    assert.match(text(), /✗ signature_wrong {2}line 2 {2}evt_[a-z2-7]+ {2}gateway\/main {2}act_/)
    assert.match(text(), /Not verified\. 3 failures, 0 findings\./)
    const report = JSON.parse(json.text()) as {
      ok: boolean
      logs: { findings: { code: string }[] }[]
    }
    assert.equal(report.ok, false)
    assert.deepEqual(
      report.logs[0]?.findings.map(({ code }) => code),
      ['signature_wrong', 'previous_hash_wrong', 'root_wrong'],
    )
  })

  test('verify without a log or keys fails, and a wrong name is wrong usage', async () => {
    const missing = sink()
    const nowhere = { ...state, logDir: join(state.dir, 'nowhere') }
    assert.equal(await auditVerify(nowhere, PLAIN, missing.out), 1)
    assert.match(missing.text(), /There is no log in/)
    assert.equal(await auditVerify(nowhere, { ...PLAIN, tenant: 'acme' }, sink().out), 1)
    const keyless = { ...state, trustDir: join(state.dir, 'nowhere') }
    assert.equal(await auditVerify(keyless, PLAIN, sink().out), 1)
    const usage = sink()
    assert.equal(await auditVerify(state, { ...PLAIN, tenant: '../acme\u001B[2J' }, usage.out), 2)
    assert.equal(usage.text().includes('\u001B'), false)
    assert.equal(await auditVerify(state, { ...PLAIN, known: 'x' }, sink().out), 2)
    assert.equal(await auditVerify(state, { ...PLAIN, tenant: 'acme', known: 'x' }, sink().out), 1)
  })

  test('verify against a checkpoint kept elsewhere', async () => {
    const known = join(state.dir, 'kept')
    await writeFile(known, await readFile(join(state.logDir, 'acme', 'checkpoint')))
    assert.equal(await auditVerify(state, { ...PLAIN, tenant: 'acme', known }, sink().out), 0)
    await writeFile(known, 'nonsense')
    assert.equal(await auditVerify(state, { ...PLAIN, tenant: 'acme', known }, sink().out), 1)
  })

  test('tail shows time, action, writer, type, actor and facts, and nothing unseen', async () => {
    const { out, text } = sink()
    const options = { ...PLAIN, tenant: 'acme', follow: false, signal }
    assert.equal(await auditTail(state, options, out), 0)
    const [day, first, second, third] = text().split('\n')
    assert.equal(day, '── 2026-01-01 (UTC) ──')
    assert.equal(
      first,
      '00:00:00.123  act_aaaaaa  gateway/main          proposed             agent:bob⟦U+202E⟧kcab⟦U+200B⟧  tool=shop.refund',
    )
    assert.match(second ?? '', /evaluated .* tier=2$|rule=refunds tier=2$/)
    assert.match(third ?? '', /denied .* reason=no$/)
  })

  test('tail as JSON is one document a line, and nothing unseen either', async () => {
    const { out, text } = sink()
    const options = { json: true, style: NAMED, last: 2, tenant: 'acme', follow: false, signal }
    assert.equal(await auditTail(state, options, out), 0)
    const lines = text().trimEnd().split('\n')
    assert.equal(lines.length, 2)
    assert.doesNotMatch(text(), /[\u202E\u200B<]/)
    const parsed = lines.map(
      (line) =>
        JSON.parse(line) as {
          log: string
          entry: { event: { actor: { id: string }; type: string } }
        },
    )
    assert.deepEqual(
      parsed.map(({ log, entry }) => [log, entry.event.type, entry.event.actor.id]),
      [
        ['acme', 'evaluated', 'bob\u202Ekcab\u200B'],
        ['acme', 'denied', 'bob\u202Ekcab\u200B'],
      ],
    )
  })

  test('tail is styled as the terminal wants it', async () => {
    const { out, text } = sink()
    const options = { json: false, style: NAMED, tenant: 'acme', follow: false, signal }
    assert.equal(await auditTail(state, options, out), 0)
    assert.match(text(), /<bad>denied/)
  })

  test('tail of nothing fails, and a wrong number is wrong usage', async () => {
    const options = { ...PLAIN, follow: false, signal }
    assert.equal(await auditTail(state, { ...options, tenant: 'nobody' }, sink().out), 1)
    assert.equal(await auditTail(state, { ...options, last: -1 }, sink().out), 2)
    assert.equal(await auditTail(state, { ...options, tenant: 'A B' }, sink().out), 2)
  })
})
