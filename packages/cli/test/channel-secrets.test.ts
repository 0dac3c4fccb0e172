import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSettings, type Settings } from '@trustgw/runtime'
import { channelsOf } from '../src/processes/channel-secrets.ts'

const TOKEN = '7310000001:AAEhBOweik9ai2o01_dAx7jPskf3qLKJf8s'

function settings(env: { readonly [name: string]: string }): Settings {
  const read = readSettings({ toml: '', env, baseDir: '/srv' })
  assert(read.ok, read.ok ? '' : JSON.stringify(read.problems))
  return read.settings
}

test('secrets of chats come from files that nobody else may read, and no fault says them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'trustgw-secrets-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  assert.deepEqual(await channelsOf(settings({})), {})
  const TRUSTGW_TELEGRAM_TOKEN_FILE = await file('token', `${TOKEN}\n`)
  const polled = await channelsOf(settings({ TRUSTGW_TELEGRAM_TOKEN_FILE }))
  assert.deepEqual(polled, {
    telegram: { token: TOKEN, apiUrl: 'https://api.telegram.org', webhookSecret: null },
  })
  const short = await file('secret', 'too-short-secret')
  const hooked = settings({
    TRUSTGW_TELEGRAM_TOKEN_FILE,
    TRUSTGW_TELEGRAM_WEBHOOK_SECRET_FILE: short,
  })
  await assert.rejects(channelsOf(hooked), (error: Error) => {
    assert.match(error.message, /telegram\.webhook_secret_file/)
    return !error.message.includes('too-short-secret')
  })
  await chmod(TRUSTGW_TELEGRAM_TOKEN_FILE, 0o644)
  await assert.rejects(channelsOf(settings({ TRUSTGW_TELEGRAM_TOKEN_FILE })), { code: 'file_mode' })
})

test('a token goes nowhere in the clear, and no chat stands without its secret', () => {
  const wrong = {
    TRUSTGW_TELEGRAM_API_URL: 'http://bots.example',
    TRUSTGW_TELEGRAM_WEBHOOK_SECRET_FILE: '/x',
    TRUSTGW_SLACK_TOKEN_FILE: '/x',
  }
  const read = readSettings({ toml: '', env: wrong, baseDir: '/srv' })
  assert(!read.ok)
  assert.deepEqual(
    read.problems.map(({ where }) => where),
    ['telegram.api_url', 'telegram.webhook_secret_file', 'slack.signing_secret_file'],
  )
})
