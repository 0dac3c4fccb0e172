import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isJsonArray, type Json, readPinRevocation } from '@trustgw/protocol'
import { BusFault } from '@trustgw/runtime'
import { buildApi } from '../src/http/api.ts'
import { ROUTE_NEEDS } from '../src/http/permissions.ts'
import { INVITATION_TTL_MS } from '../src/people/enrolment.ts'
import { STEP_UP_MS } from '../src/session/session-desk.ts'
import {
  type Answer,
  at,
  enrol,
  enrolBy,
  type SignedIn,
  startWorld,
  TENANT,
  text,
  type World,
} from './support/world.ts'

let world: World
let ann: SignedIn
let amy: SignedIn
before(async () => {
  world = await startWorld()
  ann = await enrol(world, 'ann', ['admin', 'approver'])
  amy = await enrol(world, 'amy', ['admin'])
})
after(async () => {
  await world.stop()
})

/** A session of this moment, far enough from the last that no limit of attempts is met. */
async function fresh({ login }: Pick<SignedIn, 'login'>): Promise<Record<string, string>> {
  world.clock.advance(5_000)
  const begun = await world.call('POST', '/api/login/begin', { body: {} })
  assert.equal(begun.status, 200)
  const response = login.assert(text(begun.json, 'options', 'challenge'))
  const body = { ceremony: text(begun.json, 'ceremony'), response }
  return (await world.call('POST', '/api/login/finish', { body })).cookies
}

const post = async (who: SignedIn, path: string, body: object = {}): Promise<Answer> =>
  world.call('POST', `/api/people${path}`, { body, cookies: await fresh(who) })
const remove = async (who: SignedIn, person: string): Promise<Answer> =>
  world.call('DELETE', `/api/people/${person}`, { body: {}, cookies: await fresh(who) })
const invite = (who: SignedIn, person: string, roles: readonly string[]): Promise<Answer> =>
  post(who, '', { person, roles })
const tokenOf = ({ json }: Answer): string => text(json, 'link').split('#')[1] ?? ''
const statusOf = async (cookies: Record<string, string>): Promise<number> =>
  (await world.call('GET', '/api/session', { cookies })).status
const codeOf = async (answer: Promise<Answer>): Promise<Json | undefined> =>
  (await answer).json['code']

async function revoked(): Promise<readonly string[]> {
  const { hostKey } = world.deps
  return (await world.freezes.pins.list(TENANT)).flatMap(({ value }) => {
    const read = readPinRevocation(Buffer.from(value).toString(), (kid) =>
      kid === hostKey.kid ? hostKey.verify : undefined,
    )
    return read.ok ? [read.value.credential_id] : []
  })
}

describe('every route, for every role', () => {
  const allowed = {
    admin: ['own', 'read', 'audit', 'decide', 'govern'],
    auditor: ['own', 'read', 'audit'],
    finance: ['own', 'read', 'decide'],
    viewer: ['own'],
    nobody: ['own'],
  }

  it('stands in the table, and nothing else does', () => {
    // Routes are laid out without touching what they serve.
    const routes = buildApi({ ...world.deps, policy: {} } as never).routes
    const named = routes.map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(named.sort(), [...ROUTE_NEEDS.keys()].sort())
  })

  for (const [role, needs] of Object.entries(allowed)) {
    it(`is judged by the table for ${role}`, async () => {
      const one = await enrol(world, `role-${role}`, role === 'nobody' ? [] : [role])
      const cookies = await fresh(one)
      for (const [route, need] of ROUTE_NEEDS) {
        if (need === 'open') continue
        const [method = '', path = ''] = route.split(' ')
        const target = `/api${path.replace(/:(\w+)/g, 'x')}`
        // No route takes this body, so that none does anything.
        const body = method === 'GET' ? {} : { body: { unknown: true } }
        const { json, text: answer } = await world.call(method, target, { ...body, cookies })
        const isRefused = json['code'] === 'role_missing'
        assert.equal(isRefused, !needs.includes(need), `${route}: ${answer}`)
      }
    })
  }
})

describe('an invitation by an admin', () => {
  it('makes a person by a link that works once, for 15 minutes, and is kept as a hash', async () => {
    world.audit.length = 0
    const given = await invite(ann, 'ivy', ['approver'])
    const token = tokenOf(given)
    const secret = token.split('.')[1] ?? '-'
    const { enrolmentsFolder: folder } = world.settings
    for (const name of await readdir(folder)) {
      assert.ok(!(await readFile(join(folder, name), 'utf8')).includes(secret), name)
    }
    const ivy = await enrolBy(world, 'ivy', token)
    assert.equal(await statusOf(ivy.cookies), 200)
    assert.ok(world.audit.some(({ type, actor }) => type === 'person_invited' && actor === 'ann'))
    await assert.rejects(enrolBy(world, 'ivy', token), /enrolment_refused/)
    assert.equal(await codeOf(invite(ann, 'ivy', [])), 'person_exists')
    const late = tokenOf(await invite(ann, 'late', []))
    world.clock.advance(INVITATION_TTL_MS)
    await assert.rejects(enrolBy(world, 'late', late), /enrolment_refused/)
  })

  it('takes a passkey that was used lately', async () => {
    const cookies = await fresh(ann)
    world.clock.advance(STEP_UP_MS)
    const calls = [
      world.call('POST', '/api/people', { body: { person: 'new', roles: [] }, cookies }),
      world.call('POST', '/api/people/amy/roles', { body: { roles: [] }, cookies }),
      world.call('POST', '/api/people/amy/recovery', { body: {}, cookies }),
      world.call('DELETE', '/api/people/amy', { body: {}, cookies }),
    ]
    for (const call of calls) assert.equal(await codeOf(call), 'step_up_required')
  })

  it('is worth nothing once its giver is no admin any more', async () => {
    const abe = await enrol(world, 'abe', ['admin'])
    const token = tokenOf(await invite(abe, 'mole', ['admin']))
    assert.equal((await remove(ann, 'abe')).status, 200)
    await assert.rejects(enrolBy(world, 'mole', token), /enrolment_refused/)
  })
})

describe('a recovery', () => {
  it('is given by another admin, takes every former passkey away and ends every session', async () => {
    const rob = await enrol(world, 'rob', ['finance'])
    const held = await fresh(rob)
    assert.equal(await codeOf(post(ann, '/ann/recovery')), 'recovery_by_other')
    assert.equal(await codeOf(post(rob, '/rob/recovery')), 'role_missing')
    assert.equal(await codeOf(post(ann, '/nobody/recovery')), 'unknown_person')
    const earlier = tokenOf(await post(amy, '/rob/recovery'))
    const token = tokenOf(await post(amy, '/rob/recovery'))
    await assert.rejects(enrolBy(world, 'rob', earlier), /enrolment_refused/, 'the latest alone')
    assert.equal(await statusOf(held), 200, 'a link alone takes nothing away')
    const anew = await enrolBy(world, 'rob', token)
    assert.equal(await statusOf(held), 401)
    assert.deepEqual(await fresh(rob), {}, 'the lost passkey signs nobody in')
    const { json } = await world.call('GET', '/api/session', { cookies: await fresh(anew) })
    assert.deepEqual(at(json, 'person', 'roles'), ['finance'])
    assert.ok((await revoked()).includes(rob.approval.id), 'executors are told')
    assert.ok(!(await revoked()).includes(anew.approval.id))
  })

  it('ends what was open also where the host dies before it has ended it', async () => {
    const lea = await enrol(world, 'lea', ['finance'])
    const held = await fresh(lea)
    const token = tokenOf(await post(amy, '/lea/recovery'))
    world.clock.advance(1)
    const { sessions } = world.deps
    const removes = sessions.remove.bind(sessions)
    sessions.remove = () => Promise.reject(new BusFault('bus_timeout', 'gone'))
    await assert.rejects(enrolBy(world, 'lea', token), /bus_unavailable/)
    sessions.remove = removes
    assert.equal(await statusOf(held), 401)
  })

  it('brings nobody back who was removed meanwhile', async () => {
    await enrol(world, 'tom', ['finance'])
    const token = tokenOf(await post(amy, '/tom/recovery'))
    const file = join(world.settings.enrolmentsFolder, `${token.split('.')[0] ?? ''}.json`)
    const kept = await readFile(file)
    assert.equal((await remove(ann, 'tom')).status, 200)
    await assert.rejects(readFile(file), { code: 'ENOENT' })
    await writeFile(file, kept)
    await assert.rejects(enrolBy(world, 'tom', token), /enrolment_refused/)
  })
})

describe('roles and removal', () => {
  it('hold in sessions that are open, and take away what was pinned under a role', async () => {
    const kim = await enrol(world, 'kim', ['finance', 'approver'])
    const cookies = await fresh(kim)
    const sees = async (): Promise<number> =>
      (await world.call('GET', '/api/approvals', { cookies })).status
    assert.equal(await sees(), 200)
    assert.equal(
      (await post(ann, '/kim/roles', { roles: ['finance', 'ops', 'approver'] })).status,
      200,
    )
    assert.ok(!(await revoked()).includes(kim.approval.id), 'more roles take nothing away')
    assert.equal((await post(ann, '/kim/roles', { roles: ['viewer'] })).status, 200)
    assert.equal(await sees(), 403)
    assert.ok((await revoked()).includes(kim.approval.id))
    const stored = await world.call('GET', '/api/people/kim', { cookies: await fresh(ann) })
    assert.deepEqual(stored.json, {
      id: 'kim',
      name: 'Ann Example',
      roles: ['viewer'],
      sign_in_passkeys: 1,
      approval_passkeys: 0,
      sessions: 2,
    })
  })

  it('end every session and every pin of who is removed, whose name stays taken', async () => {
    const max = await enrol(world, 'max', ['approver'])
    const cookies = await fresh(max)
    world.audit.length = 0
    assert.equal((await remove(ann, 'max')).status, 200)
    assert.ok(world.audit.some(({ type, actor }) => type === 'person_removed' && actor === 'ann'))
    assert.equal(await statusOf(cookies), 401)
    assert.deepEqual(await fresh(max), {})
    assert.ok((await revoked()).includes(max.approval.id))
    const { json } = await world.call('GET', '/api/people', { cookies: await fresh(ann) })
    const people = at(json, 'people')
    assert.ok(isJsonArray(people) && !people.some((one) => text(one, 'id') === 'max'))
    assert.equal(await codeOf(invite(ann, 'max', [])), 'person_exists')
  })

  it('leave an admin, also when two remove each other at once', async () => {
    await remove(ann, 'role-admin')
    const cookies = [await fresh(ann), await fresh(amy)]
    const gone = (person: string, by: number): Promise<Answer> =>
      world.call('DELETE', `/api/people/${person}`, { body: {}, cookies: cookies[by] ?? {} })
    const [one, other] = await Promise.all([gone('amy', 0), gone('ann', 1)])
    assert.equal([one, other].filter(({ status }) => status === 200).length, 1)
    const left = one.status === 200 ? ann : amy
    assert.equal(await codeOf(remove(left, left.person)), 'last_admin')
    assert.equal(await codeOf(post(left, `/${left.person}/roles`, { roles: [] })), 'last_admin')
  })

  it('change nothing that is not on record', async () => {
    const admin = (await fresh(ann))['tg_session'] === undefined ? amy : ann
    await enrol(world, 'sue', ['approver'])
    const cookies = await fresh(admin)
    world.auditDown = true
    try {
      const gone = await world.call('DELETE', '/api/people/sue', { body: {}, cookies })
      assert.equal(gone.status, 503)
    } finally {
      world.auditDown = false
    }
    assert.equal((await world.call('GET', '/api/people/sue', { cookies })).status, 200)
  })
})
