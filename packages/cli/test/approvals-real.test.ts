import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Approver, type RunningSystem, startSystem } from '@trustgw/testkit'
import { runCommand } from '../src/run-command.ts'
import { PLAIN_STYLE } from '../src/terminal.ts'

const MAIN = fileURLToPath(new URL('../../bin/trustgw.mjs', import.meta.url))
const CODE = /[0-9A-Z]{4}-[0-9A-Z]{4}/

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

describe('approvals on a terminal, on a running system', () => {
  let system: RunningSystem
  let approver: Approver
  let env: Record<string, string>
  let token: string

  before(async () => {
    system = await startSystem()
    approver = await Approver.enrol(system)
    env = { ...system.env }
  })
  after(() => system.remove())

  /** A process without a terminal; `heard` gets what it says on stderr as it comes. */
  const trustgw = (args: readonly string[], heard?: (err: string) => void): Promise<Ended> =>
    new Promise((resolve) => {
      const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
        cwd: dirname(system.stateDir),
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [out, err] = ['', '']
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString('utf8')
      })
      child.stderr?.on('data', (chunk: Buffer) => {
        err += chunk.toString('utf8')
        heard?.(err)
      })
      child.on('close', (code) => resolve({ code, out, err }))
    })

  /** The same in this process, with somebody who types. */
  const typed = async (args: readonly string[], answer: (shown: string) => string) => {
    const said: string[] = []
    const keep = (text: string): void => void said.push(text)
    const ask = (question: string): Promise<string> => {
      keep(question)
      return Promise.resolve(answer(said.join('\n')))
    }
    const code = await runCommand(
      { argv: args, env, cwd: dirname(system.stateDir), script: MAIN },
      { out: keep, err: keep, style: PLAIN_STYLE, width: 80, interactive: false, ask },
    )
    return { code, said: said.join('\n') }
  }

  const listed = () =>
    fetch(`${system.portal}/api/approvals`, { headers: { authorization: `Bearer ${token}` } })

  async function proposed(amount: string): Promise<string> {
    const response = await fetch(`${system.gateway}/v1/actions/propose`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${system.apiKey ?? ''}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        tool: 'shop.refund',
        arguments: { order_id: 'ord_1001', amount, currency: 'EUR', reason: `of ${amount}` },
        wait_ms: 0,
      }),
    })
    const { action_id } = (await response.json()) as { action_id: string }
    for (;;) {
      if ((await (await listed()).text()).includes(action_id)) return action_id
    }
  }

  test('login: a person types the code of the terminal, whose token nobody else can read', async () => {
    let asked = false
    const login = await trustgw(['login', '--json', '--no-open'], (err) => {
      const code = /code there: ([B-Z]{4}-[B-Z]{4})/.exec(err)?.[1]
      if (code !== undefined && !asked) {
        asked = true
        void approver.letIn(code)
      }
    })
    assert.equal(login.code, 0, login.err)
    assert.ok(login.err.includes(`Open: ${system.portal}/device`))
    const { file, tenant } = JSON.parse(login.out)
    assert.equal(file, join(env['XDG_CONFIG_HOME'] ?? '', 'trustgw/terminal.json'))
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    token = JSON.parse(await readFile(file, 'utf8')).token
    assert.equal(tenant, 'main')
    assert.ok(!(login.out + login.err).includes(token), 'the token is never said')
    await chmod(file, 0o644)
    const open = await typed(['approvals', 'list'], () => '')
    assert.equal(open.code, 1)
    assert.match(open.said, /Others may touch it: chmod 600 /)
    await chmod(file, 0o600)
  })

  test('list, show and deny', async () => {
    const id = await proposed('150.00')
    const list = await trustgw(['approvals', 'list'])
    assert.match(list.out, new RegExp(`${id}  shop\\.refund  150\\.00 EUR\n.*tier 2 · `))
    const show = await trustgw(['approvals', 'show', id])
    assert.equal(show.code, 0, show.err)
    assert.match(show.out, /wants to move 150\.00 EUR \(one hundred and fifty euros\)/)
    assert.match(show.out, /\/reason +of 150\.00/)
    const inJson = JSON.parse((await trustgw(['approvals', 'list', '--json'])).out)
    const [first] = inJson.approvals
    assert.deepEqual([first.action_id, first.amount, first.matches], [id, '150.00 EUR', true])
    const whole = JSON.parse((await trustgw(['approvals', 'show', id, '--json'])).out)
    assert.equal(whole.arguments.reason, 'of 150.00')
    assert.ok(show.out.includes(whole.code))
    assert.equal((await trustgw(['approvals', 'deny', id])).code, 2, 'a reason is needed')
    const denied = await trustgw(['approvals', 'deny', id, '--reason', 'not today'])
    assert.equal(denied.out, 'Denied. The action is denied.\n')
    assert.equal((await trustgw(['approvals', 'deny', id, '--reason', 'again'])).code, 1)
  })

  test('approve at tier 1 takes its code, typed by somebody who was shown the card', async () => {
    const id = await proposed('20.00')
    const piped = await trustgw(['approvals', 'approve', id])
    assert.equal(piped.code, 2)
    assert.match(piped.err, /types its code: run it in a terminal, without --json, or open http/)
    const wrong = await typed(['approvals', 'approve', id], () => 'y')
    assert.equal(wrong.code, 1)
    assert.match(wrong.said, /that is not its code; nothing was approved$/)
    const done = await typed(['approvals', 'approve', id], (shown) => {
      assert.match(shown, /20\.00 EUR \(twenty euros\)/)
      return CODE.exec(shown)?.[0].toLowerCase() ?? ''
    })
    assert.equal(done.code, 0, done.said)
    assert.match(done.said, /\nDone\.$/)
  })

  test('approve at tier 2 opens the page, waits and says how it ended', async () => {
    const id = await proposed('160.00')
    let asked = false
    const done = await trustgw(['approvals', 'approve', id, '--no-open', '--json'], (err) => {
      if (asked || !err.includes('It must show this code: ')) return
      asked = true
      void approver.approveAll()
    })
    assert.equal(done.code, 0, done.err)
    assert.ok(done.err.startsWith(`Open its page: ${system.portal}/approvals/${id}\n`), done.err)
    assert.match(done.err, CODE)
    assert.deepEqual(JSON.parse(done.out), { action_id: id, state: 'succeeded' })
  })

  test('logout ends the session, and its token opens nothing any more', async () => {
    assert.equal((await listed()).status, 200)
    assert.equal((await trustgw(['logout'])).out, 'Signed out.\n')
    assert.equal((await listed()).status, 401)
    const show = await trustgw(['approvals', 'show', `act_${'a'.repeat(26)}`])
    assert.equal(show.code, 1)
    assert.match(show.err, /nobody is signed in on this terminal: run trustgw login/)
    assert.equal((await trustgw(['logout'])).out, 'Nobody was signed in here.\n')
  })
})
