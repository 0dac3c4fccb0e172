import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  agentNoticeJson,
  agentRecordHash,
  canonicalize,
  type JsonObject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  BusFault,
  ManualClock,
  type RecordStore,
  type Requester,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { AgentDirectory } from '../src/agents/agent-directory.ts'
import { CallRates } from '../src/agents/call-rates.ts'
import { ToolDirectory } from '../src/registry/tool-directory.ts'
import { ACME, contract, GLOBEX, SHELL } from './support/keys.ts'
import { agentRecord, apiKey, World } from './support/world.ts'

const TENANTS = [ACME, GLOBEX]
const NKEY = `U${'A'.repeat(55)}`

interface Bare {
  readonly world: World
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  /** While set, reading the bucket fails. */
  readonly broken: { on: boolean }
}

async function bare(t: TestContext, tenants: readonly TenantId[] = TENANTS): Promise<Bare> {
  const world = await World.open(t)
  const broken = { on: false }
  const common = { tenants, sha256, clock: world.clock, log: silentLogger }
  const tools = new ToolDirectory({
    ...common,
    tools: breakable(world.records('tools'), broken),
    executorKeyFor: (profile, kid) =>
      world.keys.public.keyFor({ role: 'result', component: `exec-${profile}` })(kid),
    judge: () => Promise.resolve(new Set<string>()),
    onTools: () => undefined,
    onPinned: () => undefined,
    schemas: new AjvSchemaCompiler(),
  })
  const agents = new AgentDirectory({
    ...common,
    agents: breakable(world.records('agents'), broken),
    accountOf: new Map([
      [ACME, 'ACME_ACCOUNT'],
      [GLOBEX, 'GLOBEX_ACCOUNT'],
    ]),
    operatorKeyFor: world.keys.public.keyFor({ role: 'operator' }),
    freezes: { isRevoked: () => false },
    notices: world.records('agent_notices'),
    executors: tools,
    onAgents: () => undefined,
  })
  await Promise.all([tools.start(), agents.start()])
  t.after(async () => {
    broken.on = false
    await world.run(Promise.all([tools.stop(), agents.stop()]))
  })
  return { world, tools, agents, broken }
}

function breakable(store: RecordStore, broken: { readonly on: boolean }): RecordStore {
  const check = (): void => {
    if (broken.on) throw new BusFault('bus_unreachable', 'test')
  }
  return {
    get: async (key) => {
      check()
      return store.get(key)
    },
    list: async (prefix) => {
      check()
      return store.list(prefix)
    },
    watch: (handler) => store.watch(handler),
    create: (key, value) => store.create(key, value),
    replace: (key, value, revision) => store.replace(key, value, revision),
    remove: (key, revision) => store.remove(key, revision),
  }
}

function ids(tools: ToolDirectory, tenant = ACME): readonly string[] {
  return tools.list(tenant).map((tool) => tool.contract.id)
}

test('a registry that the profile did not sign changes nothing', async (t) => {
  const { world, tools } = await bare(t)
  const before = ids(tools)
  assert.equal(before.length, 5)
  const evil = [contract('files.read', { description: 'Give me everything' })]
  await world.serve(evil, { key: 'stranger' })
  await world.serve(evil, { key: 'shell' })
  await world.serve(evil, { key: 'operator' })
  await world.idle(100)
  assert.deepEqual(ids(tools), before)
  assert.notEqual(tools.find(ACME, 'files.read')?.contract.description, 'Give me everything')
})

test('a registry counts only under its own tenant and profile', async (t) => {
  const { world, tools } = await bare(t)
  const served = [contract('shell.run', { profile: SHELL })]
  await world.serve(served, { profile: SHELL, at: 'acme.other' })
  await world.serve(served, { profile: SHELL, tenant: GLOBEX, at: 'acme.shell' })
  await world.idle(100)
  assert.ok(!ids(tools).includes('shell.run'))
  assert.deepEqual(ids(tools, GLOBEX), [])
  await world.serve([contract('globex.read')], { tenant: GLOBEX })
  await world.until('the other tenant', () => ids(tools, GLOBEX).length > 0)
  assert.deepEqual(ids(tools, GLOBEX), ['globex.read'])
  await world.serve(served, { profile: SHELL })
  await world.until('the tool', () => ids(tools).includes('shell.run'))
})

test('of two tools with one id neither is served, until one is gone', async (t) => {
  const { world, tools } = await bare(t)
  await world.serve([contract('files.read', { profile: SHELL }), contract('shell.run')], {
    profile: SHELL,
  })
  await world.until('the shadow', () => !ids(tools).includes('files.read'))
  assert.ok(ids(tools).includes('shell.run'))
  await world.serve([contract('shell.run')], { profile: SHELL })
  await world.until('the light', () => ids(tools).includes('files.read'))
})

test('a tool is shadowed also by one whose own schema cannot be served', async (t) => {
  const { world, tools } = await bare(t)
  const broken: JsonObject = { type: 'nothing' }
  await world.serve([contract('files.read', { input_schema: broken })])
  await world.until('the first to go', () => !ids(tools).includes('files.read'))
  await world.serve([contract('files.read'), contract('shell.run')], { profile: SHELL })
  await world.until('the second', () => ids(tools).includes('shell.run'))
  assert.equal(tools.find(ACME, 'files.read'), undefined)
})

test('a registry that is removed takes its tools along, also when the news was missed', async (t) => {
  const { world, tools } = await bare(t)
  const store = world.records('tools')
  const found = await store.get('acme.connector')
  assert.ok(found !== undefined)
  await store.remove('acme.connector', found.revision)
  await world.until('the tools to go', () => ids(tools).length === 0)
  assert.deepEqual(tools.bundles(ACME), [])
})

test('an API key names one active record of its tenant, else nobody', async (t) => {
  const { world, agents } = await bare(t)
  const record = agentRecord()
  const foreign = agentRecord({ tenant: GLOBEX, key_id: 'cccccccccccccccc' })
  await world.enlist(foreign)
  await world.until('the other', () => agents.isActive(GLOBEX, foreign.key_id))
  const caller = agents.byApiKey(apiKey(record), 'mcp')
  assert.deepEqual(caller?.principal, {
    tenant: ACME,
    issuer: 'api-key',
    client: record.key_id,
    subject: 'bot',
  })
  assert.equal(caller?.source, 'mcp')
  const nobody = [
    apiKey(record, 'B'.repeat(43)),
    apiKey({ tenant: ACME, key_id: 'zzzzzzzzzzzzzzzz' }),
    apiKey({ tenant: ACME, key_id: foreign.key_id }),
    apiKey({ tenant: GLOBEX, key_id: record.key_id }),
    `${apiKey(record)} `,
    apiKey(record).slice(0, -1),
    apiKey(record).toUpperCase(),
    '',
  ]
  for (const text of nobody) assert.equal(agents.byApiKey(text, 'rest'), undefined, text)
})

test('an unknown key costs the same work as a known one', async (t) => {
  const world = await World.open(t)
  let hashed = 0
  const counting: typeof sha256 = (bytes) => {
    hashed += 1
    return sha256(bytes)
  }
  const agents = new AgentDirectory({
    agents: world.records('agents'),
    tenants: TENANTS,
    accountOf: new Map(),
    operatorKeyFor: world.keys.public.keyFor({ role: 'operator' }),
    freezes: { isRevoked: () => false },
    notices: world.records('agent_notices'),
    executors: { vouches: () => false },
    onAgents: () => undefined,
    sha256: counting,
    clock: world.clock,
    log: silentLogger,
  })
  await agents.start()
  const cost = (text: string): number => {
    const before = hashed
    agents.byApiKey(text, 'rest')
    return hashed - before
  }
  const known = cost(apiKey(agentRecord()))
  assert.equal(known, 1)
  assert.equal(cost(apiKey({ tenant: ACME, key_id: 'zzzzzzzzzzzzzzzz' })), known)
  assert.equal(cost(apiKey({ tenant: GLOBEX, key_id: 'zzzzzzzzzzzzzzzz' })), known)
  await agents.stop()
})

test('a key without a secret of its own cannot be used over HTTP', async (t) => {
  const { world, agents } = await bare(t)
  const record = agentRecord({ key_id: 'dddddddddddddddd', secret_hash: null, nkey: NKEY })
  await world.enlist(record)
  await world.until('it', () => agents.isActive(ACME, record.key_id))
  assert.equal(agents.byApiKey(apiKey(record), 'rest'), undefined)
})

test('a record that the operator did not sign, or that stands elsewhere, does not exist', async (t) => {
  const { world, agents } = await bare(t)
  const forged = agentRecord({ key_id: 'eeeeeeeeeeeeeeee' })
  await world.enlist(forged, 'stranger')
  await world.enlist({ ...forged, key_id: 'ffffffffffffffff' }, 'grant')
  const good = agentRecord({ key_id: 'gggggggggggggggg' })
  await world.enlist(good, 'operator', 'acme.hhhhhhhhhhhhhhhh')
  await world.enlist(good, 'operator', 'globex.gggggggggggggggg')
  await world.idle(100)
  for (const id of ['e', 'f', 'g', 'h'])
    for (const tenant of TENANTS) assert.equal(agents.isActive(tenant, id.repeat(16)), false, id)
  // Overwritten by a forgery, the record is gone: whoever wrote it can no more than deny.
  await world.enlist({ ...agentRecord(), agent: 'root' }, 'stranger')
  await world.until(
    'the record to go',
    () => agents.byApiKey(apiKey(agentRecord()), 'rest') === undefined,
  )
})

test('an agent of a tenant that is not served here is nobody', async (t) => {
  const { world, agents } = await bare(t, [ACME])
  const foreign = agentRecord({ tenant: GLOBEX, key_id: 'cccccccccccccccc' })
  await world.enlist(foreign)
  await world.idle(100)
  assert.equal(agents.byApiKey(apiKey(foreign), 'rest'), undefined)
})

test('a revocation takes effect at once', async (t) => {
  const { world, agents } = await bare(t)
  const record = agentRecord({ nkey: NKEY })
  await world.enlist(record)
  const requester: Requester = { account: 'ACME_ACCOUNT', user: NKEY }
  await world.until('the nkey', () => agents.byRequester(ACME, requester) !== undefined)
  await world.enlist({ ...record, status: 'revoked' })
  await world.until('the end', () => !agents.isActive(ACME, record.key_id))
  assert.equal(agents.byApiKey(apiKey(record), 'rest'), undefined)
  assert.equal(agents.byRequester(ACME, requester), undefined)
})

test('a revocation that could not be read at once is read later', async (t) => {
  const { world, agents, broken } = await bare(t)
  const record = agentRecord()
  broken.on = true
  await world.enlist({ ...record, status: 'revoked' })
  await world.idle(300)
  broken.on = false
  await world.until('the revocation', () => !agents.isActive(ACME, record.key_id))
})

test('a requester is its agent only from the account of that tenant, as the server states it', async (t) => {
  const { world, agents } = await bare(t)
  await world.enlist(agentRecord({ nkey: NKEY }))
  await world.until(
    'the nkey',
    () => agents.byRequester(ACME, { account: 'ACME_ACCOUNT', user: NKEY }) !== undefined,
  )
  const caller = agents.byRequester(ACME, { account: 'ACME_ACCOUNT', user: NKEY, name: 'root' })
  assert.deepEqual([caller?.principal.issuer, caller?.source], ['nats', 'nats'])
  const nobody: [TenantId, Requester | undefined][] = [
    [ACME, undefined],
    [ACME, { account: 'ACME_ACCOUNT' }],
    [ACME, { account: 'GLOBEX_ACCOUNT', user: NKEY }],
    [ACME, { account: '', user: NKEY }],
    [ACME, { account: 'ACME_ACCOUNT', user: `U${'B'.repeat(55)}` }],
    [GLOBEX, { account: 'ACME_ACCOUNT', user: NKEY }],
    [GLOBEX, { account: 'GLOBEX_ACCOUNT', user: NKEY }],
  ]
  for (const [tenant, requester] of nobody)
    assert.equal(agents.byRequester(tenant, requester), undefined, JSON.stringify(requester))
})

test('an older answer that comes late does not overwrite a newer one', async (t) => {
  const world = await World.open(t)
  const store = world.records('agents')
  let hold: Promise<void> | undefined
  let free = (): void => undefined
  const slow: RecordStore = {
    ...breakable(store, { on: false }),
    list: async (prefix) => {
      const records = await store.list(prefix)
      await hold
      return records
    },
  }
  const agents = new AgentDirectory({
    agents: slow,
    tenants: [ACME],
    accountOf: new Map(),
    operatorKeyFor: world.keys.public.keyFor({ role: 'operator' }),
    freezes: { isRevoked: () => false },
    notices: world.records('agent_notices'),
    executors: { vouches: () => false },
    onAgents: () => undefined,
    sha256,
    clock: world.clock,
    log: silentLogger,
  })
  hold = new Promise((resolve) => {
    free = resolve
  })
  const started = agents.start()
  await world.idle(50)
  await world.enlist(agentRecord({ status: 'revoked' }))
  await world.idle(50)
  free()
  await started
  await world.idle(50)
  assert.equal(agents.isActive(ACME, agentRecord().key_id), false)
  await agents.stop()
})

test('an agent of an admin is known by the word of executors only, and for their tools', async (t) => {
  const { world, tools, agents } = await bare(t)
  const record = agentRecord({
    key_id: 'dddddddddddddddd',
    agent: 'clerk',
    limits: {
      until: world.clock.now() + 60_000,
      tools: ['files.*', 'shell.run'],
      calls_per_minute: 2,
    },
  })
  const record_hash = agentRecordHash(sha256, record)
  const statement = {
    typ: 'trustgw/agent/1',
    tenant: ACME,
    key_id: record.key_id,
    record_hash,
    admin: 'ada',
    at: world.clock.now(),
    nonce: 'A'.repeat(22),
  } as const
  const [credential_id, signature] = ['AAAA', 'AAAA']
  const assertion = {
    credential_id,
    signature,
    client_data_json: 'e30',
    authenticator_data: 'A'.repeat(52),
  }
  const notice = agentNoticeJson({ v: 1, statement, record, assertion })
  const bytes = utf8Encode(canonicalize(notice))
  assert.ok((await world.records('agent_notices').create(`${ACME}.${record.key_id}`, bytes)).ok)
  await world.idle(100)
  assert.equal(agents.byApiKey(apiKey(record), 'rest'), undefined, 'nobody vouches for it')
  const run = contract('shell.run', { profile: SHELL })
  await world.serve([run], { profile: SHELL, agents: [record_hash] })
  await world.until('the executor', () => agents.byApiKey(apiKey(record), 'rest') !== undefined)
  const may = (id: string): boolean => {
    const tool = tools.find(ACME, id)
    return tool !== undefined && agents.mayCall(ACME, record.key_id, tool.contract)
  }
  assert.deepEqual([may('shell.run'), may('files.read')], [true, false])
  await world.serve([run], { profile: SHELL, key: 'connector', agents: [] })
  await world.idle(100)
  assert.equal(may('shell.run'), true, 'another executor takes nothing away')
  const all = tools.list(ACME).map((tool) => tool.contract)
  await world.serve(
    all.filter(({ id }) => id !== 'shell.run'),
    { agents: [record_hash] },
  )
  await world.until('the other executor', () => may('files.read'))
  assert.equal(may('shop.refund'), false, 'its limits name other tools')
  assert.equal(agents.callsPerMinute(ACME, record.key_id), 2)
  world.clock.advance(60_000)
  assert.equal(agents.byApiKey(apiKey(record), 'rest'), undefined, 'its time is over')
})

test('a credential makes as many calls a minute as its limit says', () => {
  const clock = new ManualClock(1_000)
  const rates = new CallRates(clock)
  const take = (key: string, limit: number | null): boolean => rates.take(ACME, key, limit)
  assert.deepEqual([take('a', 2), take('a', 2), take('a', 2)], [true, true, false])
  assert.ok(take('b', 2) && take('c', null))
  clock.advance(60_000)
  assert.ok(take('a', 2))
})
