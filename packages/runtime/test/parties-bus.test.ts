import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { BusFault, type BusLink, connectNats, nodeRandom, silentLogger } from '../src/index.ts'

const VALUE_BYTES = 4_000
const BUCKET_BYTES = 65_536

interface Opened {
  readonly world: BusWorld
  readonly open: (creds: BusWorld['creds']['gateway']) => Promise<BusLink>
}

async function openBus(t: TestContext): Promise<Opened> {
  const world = await startBusWorld()
  const links: BusLink[] = []
  t.after(async () => {
    await Promise.all(links.map((link) => link.bus.drain()))
    await world.stop()
  })
  return {
    world,
    open: async (creds) => {
      const servers = [world.url]
      const link = await connectNats({ servers, creds, logger: silentLogger, random: nodeRandom })
      links.push(link)
      return link
    },
  }
}

test('what one plane said to stop something no other changes or removes', async (t) => {
  const { world, open } = await openBus(t)
  const host = await open(world.creds.host)
  const gateway = await open(world.creds.gateway)
  for (const [bucket, tenant] of [
    ['key_revocations', '_all'],
    ['freezes', 'acme'],
    ['pins', 'acme'],
  ] as const) {
    const of = { home: 'data', bucket } as const
    const key = `${tenant}.one`
    const said = new TextEncoder().encode('stop')
    assert.ok((await host.records(of).create(key, said)).ok)
    for (const link of [gateway, host]) {
      const records = link.records(of)
      const stored = await records.get(key)
      assert.ok(stored !== undefined)
      await Promise.allSettled([
        records.replace(key, new TextEncoder().encode('go on'), stored.revision),
        records.remove(key, stored.revision),
      ])
      const left = await records.get(key)
      assert.equal(new TextDecoder().decode(left?.value), 'stop', bucket)
    }
  }
})

test('a full bucket takes nothing new and nothing longer, and what is as long as before', async (t) => {
  const { world, open } = await openBus(t)
  const gateway = await open(world.creds.gateway)
  const provision = await open(world.creds.provisionData)
  const api = async (verb: string, data: object): Promise<{ readonly config?: object }> => {
    const bytes = new TextEncoder().encode(JSON.stringify(data))
    const to = `$JS.API.STREAM.${verb}.KV_actions`
    const answer = await provision.bus.request(to, bytes, { timeoutMs: 5_000 })
    return JSON.parse(new TextDecoder().decode(answer)) as { readonly config?: object }
  }
  // As it is but for its size, so that it is full in no time.
  const { config } = await api('INFO', {})
  await api('UPDATE', { ...config, max_bytes: BUCKET_BYTES })
  const actions = gateway.records({ home: 'data', bucket: 'actions' })
  const value = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(97)
  const isFull = (error: unknown): boolean =>
    error instanceof BusFault && error.code === 'store_refused'
  const fill = async (): Promise<void> => {
    for (let index = 0; ; index += 1) {
      assert.ok((await actions.create(`acme.k${index}`, value(VALUE_BYTES))).ok)
    }
  }
  await assert.rejects(fill(), isFull)
  const replace = async (bytes: number): Promise<boolean> => {
    const stored = await actions.get('acme.k0')
    return (await actions.replace('acme.k0', value(bytes), stored?.revision ?? 0)).ok
  }
  assert.equal(await replace(VALUE_BYTES), true)
  await assert.rejects(replace(2 * VALUE_BYTES), isFull)
})
