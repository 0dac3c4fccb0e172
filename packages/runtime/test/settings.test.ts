import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  parseDuration,
  parseListen,
  readSettings,
  SETTING_KEYS,
  SETTINGS,
  type Settings,
  settingsReference,
} from '@trustgw/runtime'

type Env = { readonly [name: string]: string | undefined }

function settings(toml: string, env: Env = {}): Settings {
  const outcome = readSettings({ toml, env, baseDir: '/srv' })
  assert(outcome.ok, outcome.ok ? '' : JSON.stringify(outcome.problems))
  return outcome.settings
}

function problems(toml: string, env: Env = {}): readonly (readonly [string, string])[] {
  const outcome = readSettings({ toml, env, baseDir: '/srv' })
  assert(!outcome.ok, 'was accepted')
  return outcome.problems.map(({ reason, where }) => [reason, where])
}

describe('settings', () => {
  it('are production with loopback addresses when nothing is said', () => {
    const read = settings('')
    assert.equal(read.mode, 'production')
    assert.equal(read.state_dir, '/srv/.trustgw')
    assert.equal(read.policy.file, '/srv/.trustgw/policy.toml')
    assert.deepEqual(read.gateway.listen, { host: '127.0.0.1', port: 3060 })
    assert.equal(read.gateway.public_url, 'http://127.0.0.1:3060')
    assert.deepEqual(read.gateway.allowed_hosts, ['127.0.0.1:3060', 'localhost:3060'])
    assert.equal(read.gateway.hold, 25_000)
    assert.equal(read.nats.sync_interval, 'always')
    assert.equal(settings('mode = "development"').nats.sync_interval, '10s')
  })

  it('come from the file, and a variable wins over it', () => {
    const toml = '[nats]\nport = 5000\n[gateway]\nallowed_origins = ["https://a.example"]\n'
    assert.equal(settings(toml).nats.port, 5000)
    const read = settings(toml, { TRUSTGW_NATS_PORT: '5001', TRUSTGW_LOG_LEVEL: 'warn' })
    assert.equal(read.nats.port, 5001)
    assert.equal(read.log_level, 'warn')
    assert.deepEqual(read.gateway.allowed_origins, ['https://a.example'])
    const origins = { TRUSTGW_GATEWAY_ALLOWED_ORIGINS: 'https://b.example, https://c.example' }
    assert.deepEqual(settings(toml, origins).gateway.allowed_origins, [
      'https://b.example',
      'https://c.example',
    ])
  })

  it('refuse an unknown name and propose the nearest', () => {
    const outcome = readSettings({
      toml: '[gateway]\nlisen = "127.0.0.1:1"\n',
      env: { TRUSTGW_NATS_PROT: '1', PATH: '/bin', TRUSTGW_CONFIG: 'x.toml' },
      baseDir: '/',
    })
    assert(!outcome.ok)
    assert.deepEqual(
      outcome.problems.map(({ reason }) => reason),
      ['unknown_key', 'unknown_variable'],
    )
    assert.match(outcome.problems[0]?.message ?? '', /`gateway\.listen`/)
    assert.match(outcome.problems[1]?.message ?? '', /`TRUSTGW_NATS_PORT`/)
    assert.deepEqual(problems('[gateway.listen]\nhost = "x"\n'), [
      ['wrong_value', 'gateway.listen'],
    ])
    assert.deepEqual(problems('gateway = 3\n'), [['unknown_key', 'gateway']])
    assert.deepEqual(problems('[__proto__]\nmode = "development"\n').length, 1)
  })

  it('refuse a value of another kind, and each wrong one is named', () => {
    const wrong: readonly (readonly [string, string])[] = [
      ['mode = "Production"', 'mode'],
      ['tenant = "Acme"', 'tenant'],
      ['tenant = "a.b"', 'tenant'],
      ['[nats]\nport = "4222"', 'nats.port'],
      ['[nats]\nport = 70000', 'nats.port'],
      ['[nats]\nport = 1.5', 'nats.port'],
      ['[nats]\nsync_interval = "never"', 'nats.sync_interval'],
      ['[gateway]\nlisten = "3060"', 'gateway.listen'],
      ['[gateway]\nhold = "26s"', 'gateway.hold'],
      ['[gateway]\nhold = 25', 'gateway.hold'],
      ['[gateway]\nallowed_origins = ["*"]', 'gateway.allowed_origins'],
      ['[gateway]\nallowed_origins = ["https://a.example/path"]', 'gateway.allowed_origins'],
      ['[gateway]\nallowed_origins = ["https://u:p@a.example"]', 'gateway.allowed_origins'],
      ['[gateway]\nallowed_hosts = ["a b"]', 'gateway.allowed_hosts'],
      ['[gateway]\nhold = "26s"', 'gateway.hold'],
      ['[host]\norigin = "ftp://a.example"', 'host.origin'],
      ['[executor]\nresult_max_bytes = 1', 'executor.result_max_bytes'],
      ['[executor]\ntool_timeout = "16m"', 'executor.tool_timeout'],
    ]
    for (const [toml, key] of wrong) assert.deepEqual(problems(toml), [['wrong_value', key]], toml)
    assert.deepEqual(problems('', { TRUSTGW_NATS_PORT: '0x10' }), [
      ['wrong_value', 'TRUSTGW_NATS_PORT'],
    ])
    assert.deepEqual(problems('mode ='), [['toml_syntax', 'file']])
    assert.deepEqual(problems('mode = "production"\nmode = "production"'), [
      ['toml_syntax', 'file'],
    ])
    assert.deepEqual(problems(`# ${'x'.repeat(70_000)}`), [['file_too_large', 'file']])
  })

  it('refuse development conveniences in production by name, and take them in development [INV-34]', () => {
    const loose = '[policy]\nallow_by_default = true\n'
    assert.deepEqual(problems(loose), [['development_only', 'policy.allow_by_default']])
    assert.deepEqual(problems('', { TRUSTGW_POLICY_ALLOW_BY_DEFAULT: '1' }), [
      ['development_only', 'policy.allow_by_default'],
    ])
    assert.equal(settings(`mode = "development"\n${loose}`).policy.allow_by_default, true)
    const lazy = '[nats]\nsync_interval = "2m"\n'
    assert.deepEqual(problems(lazy), [['contradiction', 'nats.sync_interval']])
    assert.equal(settings(`mode = "development"\n${lazy}`).nats.sync_interval, '2m')
    const open = '[gateway]\npublic_url = "http://gw.example"\n'
    assert.deepEqual(problems(open), [['contradiction', 'gateway.public_url']])
    assert.deepEqual(problems('[gateway]\nallowed_origins = ["http://a.example"]\n'), [
      ['contradiction', 'gateway.allowed_origins'],
    ])
  })

  it('refuse what cannot be meant together', () => {
    assert.deepEqual(problems('[nats]\nport = 9222\n'), [['contradiction', 'nats.websocket_port']])
    assert.deepEqual(problems('[host]\nrp_id = "other.example"\n').slice(0, 1), [
      ['contradiction', 'host.rp_id'],
    ])
    assert.deepEqual(
      problems('[host]\norigin = "https://evilexample.org"\nrp_id = "example.org"\n'),
      [['contradiction', 'host.rp_id']],
    )
    assert.deepEqual(problems('[host]\norigin = "http://p.example"\nrp_id = "p.example"\n'), [
      ['contradiction', 'host.origin'],
    ])
    const portal = '[host]\norigin = "https://portal.example.org"\nrp_id = "portal.example.org"\n'
    const apart = `${portal}approval_origin = "https://approve.example.org"\n`
    const { host } = settings(`${apart}approval_rp_id = "example.org"\n`)
    assert.equal(host.approval_origin, 'https://approve.example.org')
    assert.deepEqual(problems(apart), [['contradiction', 'host.approval_rp_id']])
    assert.deepEqual(problems(`${portal}approval_rp_id = "example.com"\n`), [
      ['contradiction', 'host.approval_rp_id'],
    ])
    assert.deepEqual(problems(`${portal}approval_origin = "https://portal.example.org"\n`), [
      ['contradiction', 'host.approval_origin'],
    ])
    const good = settings('[host]\norigin = "https://p.example.org"\nrp_id = "example.org"\n')
    assert.equal(good.host.rp_id, 'example.org')
  })

  it('stand in the reference, every one with its variable', () => {
    const reference = settingsReference()
    for (const key of SETTING_KEYS) {
      assert(reference.includes(`| \`${key}\` | \`${SETTINGS[key].env}\` |`), key)
    }
    const variables = SETTING_KEYS.map((key) => SETTINGS[key].env)
    assert.equal(new Set(variables).size, variables.length)
  })

  it('read durations and addresses in one form only', () => {
    assert.deepEqual(
      ['0s', '250ms', '25s', '5m', '2h', '7d'].map(parseDuration),
      [0, 250, 25_000, 300_000, 7_200_000, 604_800_000],
    )
    for (const bad of ['', '5', 's', '-1s', '1.5s', '01s', '1 s', '1S', '9999999999s']) {
      assert.equal(parseDuration(bad), undefined, bad)
    }
    assert.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 })
    for (const bad of ['', ':80', '127.0.0.1', '127.0.0.1:99999', 'a:1:2', '::1:80']) {
      assert.equal(parseListen(bad), undefined, bad)
    }
  })
})
