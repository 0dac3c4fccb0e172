/** What admins do about people: inviting, recovering, roles, removal (spec/protocol.md §8). */
import { type JsonObject, POLICY_ADMIN_ROLE, type TenantId } from '@trustgw/protocol'
import type { HostDeps } from '../deps.ts'
import type { PortalNews } from '../freezes/tell-portals.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { RevokePins } from '../pins/revoke-pins.ts'
import type { Session, SessionDesk } from '../session/session-desk.ts'
import {
  createEnrolment,
  type EnrolmentFiles,
  type EnrolmentKind,
  INVITATION_TTL_MS,
} from './enrolment.ts'
import type { KnownPerson, PeopleStore } from './people-store.ts'
import type { PersonId, PersonRecord } from './person.ts'

export interface PersonDeskDeps {
  readonly tenant: TenantId
  readonly origin: string
  readonly enrolmentsFolder: string
  readonly files: EnrolmentFiles
  readonly people: PeopleStore
  readonly sessions: SessionDesk
  readonly revokePins: RevokePins
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly tell: PortalNews
}

export interface Invitation {
  readonly person: PersonId
  readonly roles: readonly string[]
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** A change of one person that was judged: what is recorded, and what is stored then. */
interface Change {
  readonly event: 'person_roles_changed' | 'person_removed'
  readonly roles: readonly string[]
  readonly next: Pick<PersonRecord, 'roles' | 'login' | 'approval' | 'removed_at'>
}

/**
 * Whether a passkey was used lately is NOT checked here. Changes follow one another, each judged on what is
 * stored then: two admins who remove each other leave one of them.
 */
export class PersonDesk {
  readonly #deps: PersonDeskDeps
  #last: Promise<unknown> = Promise.resolve()

  constructor(deps: PersonDeskDeps) {
    this.#deps = deps
  }

  /** What only those see who may look into others' sessions. */
  async show(person: PersonId): Promise<Answer> {
    const known = await this.#deps.people.find(person)
    if (known === undefined) return refused('unknown_person')
    const { name, roles, login, approval } = known.record
    const sessions = await this.#deps.sessions.count(person)
    const counts = { sign_in_passkeys: login.length, approval_passkeys: approval.length, sessions }
    return { ok: true, json: { id: person, name, roles: [...roles], ...counts } }
  }

  /** A one-time link for somebody new; refused for who was removed too, whose name stands in the record. */
  invite(session: Session, { person, roles }: Invitation): Promise<Answer> {
    return this.#asAdmin(session, async () => {
      if ((await this.#deps.people.findEver(person)) !== undefined) return refused('person_exists')
      return await this.#link(session, { person, roles }, 'invitation')
    })
  }

  /** A one-time link for who lost every passkey, never for oneself. */
  recover(session: Session, person: PersonId): Promise<Answer> {
    return this.#asAdmin(session, async () => {
      if (person === session.person.person) return refused('recovery_by_other')
      const known = await this.#deps.people.find(person)
      if (known === undefined) return refused('unknown_person')
      return await this.#link(session, { person, roles: known.record.roles }, 'recovery')
    })
  }

  /**
   * A pin carries the roles that it was given with, so a role taken away takes the approval passkeys
   * with it: executors would go on counting them under it.
   */
  setRoles(session: Session, person: PersonId, roles: readonly string[]): Promise<Answer> {
    return this.#change(session, person, (record) => {
      const isLess = record.roles.some((role) => !roles.includes(role))
      const approval = isLess ? [] : record.approval
      return {
        event: 'person_roles_changed',
        roles,
        next: { roles, login: record.login, approval },
      }
    })
  }

  /** The record stays, without roles and passkeys, so that the name stays taken. */
  remove(session: Session, person: PersonId): Promise<Answer> {
    const removed_at = this.#deps.clock.now()
    return this.#change(session, person, () => ({
      event: 'person_removed',
      roles: [],
      next: { roles: [], login: [], approval: [], removed_at },
    }))
  }

  #change(
    session: Session,
    person: PersonId,
    make: (record: PersonRecord) => Change,
  ): Promise<Answer> {
    return this.#asAdmin(session, async () => {
      for (let isRecorded = false; ; isRecorded = true) {
        const known = await this.#deps.people.find(person)
        if (known === undefined) return refused('unknown_person')
        const change = make(known.record)
        if (!change.roles.includes(POLICY_ADMIN_ROLE) && (await this.#isLastAdmin(person))) {
          return refused('last_admin')
        }
        if (!isRecorded) await this.#record(session, change.event, { person, roles: change.roles })
        if (await this.#apply(known, change)) return await this.#done(person, change)
      }
    })
  }

  /** What restricts goes first: an executor believes a revoked passkey no more, whatever comes then. */
  async #apply({ record, revision }: KnownPerson, { event, next }: Change): Promise<boolean> {
    const gone = record.approval.filter((one) => !next.approval.includes(one))
    await this.#deps.revokePins(gone, event)
    return await this.#deps.people.save(
      { ...record, ...next, updated_at: this.#deps.clock.now() },
      revision,
    )
  }

  async #done(person: PersonId, { event }: Change): Promise<Answer> {
    const { files, sessions, tell } = this.#deps
    await files.removeFor(person)
    const ended = event === 'person_removed' ? await sessions.endAll(person) : 0
    tell('people')
    tell('sessions')
    return { ok: true, json: { ended } }
  }

  async #isLastAdmin(person: PersonId): Promise<boolean> {
    const people = await this.#deps.people.list()
    const admins = people.filter(({ roles }) => roles.includes(POLICY_ADMIN_ROLE))
    return admins.every((one) => one.person === person) && admins.length > 0
  }

  async #link(session: Session, whom: Invitation, kind: EnrolmentKind): Promise<Answer> {
    const { tenant, origin, enrolmentsFolder, clock, random, files } = this.#deps
    const event = kind === 'recovery' ? 'person_recovery_given' : 'person_invited'
    // Of several links the latest works alone.
    await files.removeFor(whom.person)
    await this.#record(session, event, whom)
    const made = await createEnrolment({
      folder: enrolmentsFolder,
      tenant,
      ...whom,
      now: clock.now(),
      random,
      ttlMs: INVITATION_TTL_MS,
      given: { by: session.person.person, kind },
    })
    const link = `${origin}/enrol#${made.token}`
    return { ok: true, json: { person: whom.person, link, expires_at: made.expiresAt } }
  }

  async #record(
    session: Session,
    event: Change['event'] | 'person_invited' | 'person_recovery_given',
    { person, roles }: Invitation,
  ): Promise<void> {
    await this.#deps.audit.append(event, {
      actor: { kind: 'human', id: session.person.person },
      payload: { person, roles: roles.join(' ') },
    })
  }

  /** One after the other, and only while who asks is an admin still. */
  #asAdmin(session: Session, work: () => Promise<Answer>): Promise<Answer> {
    const mine = this.#last.then(async () => {
      const admin = await this.#deps.people.find(session.person.person)
      const may = admin?.record.roles.includes(POLICY_ADMIN_ROLE) === true
      return may ? await work() : refused('role_missing')
    })
    this.#last = mine.catch(() => undefined)
    return mine
  }
}
