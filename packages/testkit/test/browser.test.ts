import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  addVirtualAuthenticator,
  BrowserError,
  browserArguments,
  findBrowser,
  openBrowser,
  unpackChromium,
} from '../src/index.ts'

// dist/test/ → packages/testkit → the project's root
const CACHE_DIR = fileURLToPath(new URL('../../../../.cache', import.meta.url))
const PNG_MAGIC = '89504e470d0a1a0a'
const WEAKENING =
  /web-security|site-isolation|isolate-?origins|site-per-process|single-process|insecure|ignore-certificate|allow-(?:file|universal)|remote-debugging-(?:port|address)|remote-allow-origins|no-zygote|ThirdPartyStoragePartitioning/i

async function servePage(t: TestContext, host = 'localhost'): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', request.url === '/secret' ? 'text/plain' : 'text/html')
    response.end(
      request.url === '/secret' ? 'secret' : '<!doctype html><title>T</title><h1>Here</h1>',
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://${host}:${address.port}`
}

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'browser-test-'))
  t.after(async () => rm(folder, { recursive: true, force: true }))
  return folder
}

const CREATE = `navigator.credentials.create({ publicKey: {
  challenge: new Uint8Array(32), rp: { id: 'localhost', name: 'T' },
  user: { id: new Uint8Array([1, 2, 3]), name: 'ada', displayName: 'Ada' },
  pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
  authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
} }).then((made) => made.id)`
const GET = `navigator.credentials.get({ publicKey: {
  challenge: new Uint8Array(32).fill(7), rpId: 'localhost', userVerification: 'required',
} }).then(
  (got) => ({ id: got.id, flags: new Uint8Array(got.response.authenticatorData)[32],
    clientData: JSON.parse(new TextDecoder().decode(got.response.clientDataJSON)) }),
  (error) => ({ error: error.name }))`

test('the browser opens a page, takes a PNG, makes and uses a passkey for localhost', async (t) => {
  const url = await servePage(t)
  const opened = await openBrowser({ cacheDir: CACHE_DIR })
  t.after(opened.close)
  const page = await opened.browser.newPage()
  await page.goto(url)
  assert.equal(await page.textContent('h1'), 'Here')
  const picture = await page.screenshot()
  assert.equal(picture.subarray(0, 8).toString('hex'), PNG_MAGIC)
  const authenticator = await addVirtualAuthenticator(page)
  const id = await page.evaluate(CREATE)
  const held = await authenticator.credentials()
  assert.equal(held.length, 1)
  assert.equal(held[0]?.rpId, 'localhost')
  assert.equal(held[0]?.isResidentCredential, true)
  assert.ok(!('privateKey' in (held[0] ?? {})))
  const got = await page.evaluate<{
    id: string
    flags: number
    clientData: { origin: string }
  }>(GET)
  assert.equal(got.id, id)
  assert.equal(got.flags & 0b101, 0b101)
  assert.equal(got.clientData.origin, url)
  await authenticator.setUserVerified(false)
  assert.deepEqual(await page.evaluate(GET), { error: 'NotAllowedError' })
  await authenticator.remove()
})

test('the protections of the web are on: another origin cannot be read or framed into', async (t) => {
  const url = await servePage(t)
  const other = await servePage(t, '127.0.0.1')
  const opened = await openBrowser({ cacheDir: CACHE_DIR })
  t.after(opened.close)
  const page = await opened.browser.newPage()
  await page.goto(url)
  const read = `fetch('${other}/secret').then((r) => r.text(), (e) => e.name)`
  assert.equal(await page.evaluate(read), 'TypeError')
  assert.equal(await page.evaluate(`fetch('/secret').then((r) => r.text())`), 'secret')
  const frame = `new Promise((resolve) => {
    const frame = document.createElement('iframe')
    frame.onload = () => { try { resolve(frame.contentWindow.document.title) } catch (e) { resolve(e.name) } }
    frame.src = '${other}/'
    document.body.append(frame)
  })`
  assert.equal(await page.evaluate(frame), 'SecurityError')
})

test('no argument weakens the browser, and root alone goes without the sandbox', async () => {
  const ordinary = browserArguments({ profileDir: '/p', isRoot: false })
  const root = browserArguments({ profileDir: '/p', isRoot: true })
  for (const argument of root) assert.doesNotMatch(argument, WEAKENING)
  assert.ok(!ordinary.some((argument) => argument.includes('sandbox')))
  assert.deepEqual(
    root.filter((argument) => !ordinary.includes(argument)),
    ['--no-sandbox'],
  )
})

test('the running browser and its children got no other arguments', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('needs /proc')
    return
  }
  const opened = await openBrowser({ cacheDir: CACHE_DIR })
  t.after(opened.close)
  await opened.browser.newPage()
  const lines: string[][] = []
  for (const pid of await readdir('/proc')) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    lines.push(line.split('\0').slice(0, -1))
  }
  const profile = opened.args.find((argument) => argument.startsWith('--user-data-dir=')) ?? ''
  const main = lines.filter((line) => line.includes(profile) && line[0] === opened.executablePath)
  assert.deepEqual(main.find((line) => !line.some((a) => a.startsWith('--type=')))?.slice(1), [
    ...opened.args,
  ])
  for (const argument of main.flat()) assert.doesNotMatch(argument, WEAKENING)
})

test('the profile is private, fresh, and gone after close', async (t) => {
  const opened = await openBrowser({ cacheDir: CACHE_DIR })
  t.after(opened.close)
  const flag = '--user-data-dir='
  const profile =
    opened.args.find((argument) => argument.startsWith(flag))?.slice(flag.length) ?? ''
  assert.equal((await stat(profile)).mode & 0o777, 0o700)
  await opened.close()
  await assert.rejects(stat(profile), { code: 'ENOENT' })
})

test('CHROME_PATH is taken, or refused with its name; there is no fallback', async (t) => {
  const folder = await tempFolder(t)
  const chromePath = join(folder, 'my-chrome')
  await writeFile(chromePath, '#!/bin/sh\necho "Google Chrome 150.0.1.2"\n', { mode: 0o700 })
  const found = await findBrowser({ cacheDir: folder, chromePath })
  assert.deepEqual([found.source, found.version], ['chrome_path', 'Google Chrome 150.0.1.2'])
  for (const bad of [join(folder, 'none'), '/bin/true', folder]) {
    await assert.rejects(openBrowser({ cacheDir: folder, chromePath: bad }), (error) => {
      assert.ok(error instanceof BrowserError)
      assert.equal(error.code, 'chrome_path_unusable')
      assert.ok(error.message.includes(bad))
      return true
    })
  }
  assert.deepEqual(await readdir(folder), ['my-chrome'])
})

test('an installed browser on PATH is preferred to unpacking; a stub is passed over', async (t) => {
  const folder = await tempFolder(t)
  const [stubs, real] = [join(folder, 'stubs'), join(folder, 'real')]
  await mkdir(stubs)
  await mkdir(real)
  await writeFile(
    join(stubs, 'chromium-browser'),
    '#!/bin/sh\necho install the snap >&2; exit 1\n',
    { mode: 0o700 },
  )
  await writeFile(join(real, 'chromium'), '#!/bin/sh\necho "Chromium 149.0.1.2"\n', { mode: 0o700 })
  const found = await findBrowser({ cacheDir: folder, searchPath: `${stubs}::relative:${real}` })
  assert.equal(found.executablePath, join(real, 'chromium'))
  assert.equal(found.source, 'installed')
})

test('unpacking twice at once yields one complete private folder and leaves nothing else', async (t) => {
  const folder = await tempFolder(t)
  const [one, two] = await Promise.all([unpackChromium(folder), unpackChromium(folder)])
  assert.deepEqual(one, two)
  assert.deepEqual(await readdir(join(folder, 'chromium')), ['147.0.0'])
  assert.equal((await stat(one.executablePath)).mode & 0o777, 0o700)
  assert.ok((await readdir(one.libraryDir)).includes('libnss3.so'))
})

test('a cache that others can write, or a link in its place, is refused', async (t) => {
  const open = await tempFolder(t)
  await mkdir(join(open, 'chromium', '147.0.0'), { recursive: true })
  await chmod(join(open, 'chromium', '147.0.0'), 0o777)
  await assert.rejects(unpackChromium(open), { code: 'cache_not_private' })
  const linked = await tempFolder(t)
  await symlink(tmpdir(), join(linked, 'chromium'))
  await assert.rejects(unpackChromium(linked), { code: 'cache_not_private' })
})
