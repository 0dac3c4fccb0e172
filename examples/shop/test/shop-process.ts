import assert from 'node:assert/strict'
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type RunningShop, startShop } from '../src/index.ts'

export const API_KEY = 'shop-test-key-0123456789abcdef'
const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))

export async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shop-test-'))
  t.after(async () => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function shopHere(t: TestContext, stateDir?: string): Promise<RunningShop> {
  const shop = await startShop({ stateDir: stateDir ?? (await tempFolder(t)), apiKey: API_KEY })
  t.after(async () => shop.stop())
  return shop
}

export type Spawned = { child: ChildProcess; url: string; exit: Promise<[number | null, unknown]> }

export async function keyFile(folder: string, key = API_KEY, mode = 0o600): Promise<string> {
  const path = join(folder, 'shop.key')
  await writeFile(path, `${key}\n`, { mode })
  return path
}

/** Forks main.js; its IPC channel is what a supervisor would hold. */
export function runMain(args: readonly string[], options: ForkOptions = {}): ChildProcess {
  return fork(MAIN, [...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {},
    execArgv: [],
    ...options,
  })
}

export async function spawnShop(t: TestContext, args: readonly string[]): Promise<Spawned> {
  const child = runMain(args)
  t.after(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit') as Promise<[number | null, unknown]>
  assert.ok(child.stdout)
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(20_000) })) as [string]
  const ready: unknown = JSON.parse(line)
  assert.ok(typeof ready === 'object' && ready !== null && 'url' in ready)
  return { child, url: String(ready.url), exit }
}

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> }

export async function call(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    ...init,
    headers: {
      authorization: `Bearer ${API_KEY}`,
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(init.headers as Record<string, string> | undefined),
    },
  })
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body }
}

export const REQUEST = {
  order_id: 'ord_1001',
  amount: '250.00',
  currency: 'EUR',
  reason: 'chair arrived damaged',
}

export async function refund(
  url: string,
  key: string,
  change: Partial<Record<keyof typeof REQUEST, unknown>> = {},
): Promise<Answer> {
  return call(url, '/v1/refunds', {
    method: 'POST',
    headers: { 'idempotency-key': key },
    body: JSON.stringify({ ...REQUEST, ...change }),
  })
}

export async function fault(url: string, body: Record<string, unknown>): Promise<Answer> {
  return call(url, '/admin/faults', { method: 'POST', body: JSON.stringify(body) })
}
