import { parseArgs } from 'node:util'
import { startShop } from './server.ts'
import { ShopError } from './shop-error.ts'
import { checkKey, readKeyFile } from './shop-key.ts'

const USAGE = 'usage: main.js --port PORT --state DIR [--key-file FILE | with SHOP_API_KEY set]'
const MAX_PORT = 65_535
const EXIT_FAILED = 1
const EXIT_USAGE = 2

type Settings = { readonly port: number; readonly stateDir: string; readonly keyFile?: string }

class UsageError extends Error {
  override readonly name: string = 'UsageError'
}

function readSettings(argv: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: 'string', default: '0' },
      state: { type: 'string' },
      'key-file': { type: 'string' },
    },
  })
  const { port, state, 'key-file': keyFile } = values
  if (!/^\d{1,5}$/.test(port) || Number(port) > MAX_PORT) throw new UsageError('bad --port')
  if (state === undefined || state === '') throw new UsageError('--state is missing')
  return { port: Number(port), stateDir: state, ...(keyFile !== undefined && { keyFile }) }
}

async function readKey(keyFile: string | undefined): Promise<string> {
  const inherited = process.env['SHOP_API_KEY']
  // Out of the environment at once: nothing started from here, no dump, shows it.
  delete process.env['SHOP_API_KEY']
  if (keyFile !== undefined) {
    if (inherited !== undefined) throw new UsageError('both --key-file and SHOP_API_KEY are given')
    return readKeyFile(keyFile)
  }
  if (inherited === undefined) throw new UsageError('neither --key-file nor SHOP_API_KEY is given')
  return checkKey(inherited)
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2))
  const apiKey = await readKey(settings.keyFile)
  const shop = await startShop({ stateDir: settings.stateDir, port: settings.port, apiKey })
  const stop = (): void => {
    shop.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.once('disconnect', stop)
  process.stdout.write(`${JSON.stringify({ url: shop.url })}\n`)
}

function fail(error: unknown): never {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof TypeError && codeOf(error).startsWith('ERR_PARSE_ARGS'))
  const message = error instanceof Error ? error.message : 'unknown fault'
  const code = error instanceof ShopError ? error.code : isUsage ? 'usage' : codeOf(error)
  process.stderr.write(`${JSON.stringify({ code, message })}\n`)
  if (isUsage) process.stderr.write(`${USAGE}\n`)
  process.exit(isUsage ? EXIT_USAGE : EXIT_FAILED)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'internal'
}

main().catch(fail)
