import { objectShape, type Shape, stringShape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import { personIdField, rolesField, tokenField } from '../people/person.ts'
import type { Invitation, PersonDesk } from '../people/person-desk.ts'
import type { PinDesk, PinWish } from '../pins/pin-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody, signedBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'
import { type Refused, refused } from './problem.ts'
import type { Reply } from './reply.ts'

const FINGERPRINT_CHARS = 39

const wishBody: Shape<PinWish> = objectShape({
  person: personIdField,
  credential_id: tokenField,
  fingerprint: stringShape({ min: FINGERPRINT_CHARS, max: FINGERPRINT_CHARS }),
})

const invitationBody: Shape<Invitation> = objectShape({ person: personIdField, roles: rolesField })
const rolesBody: Shape<Pick<Invitation, 'roles'>> = objectShape({ roles: rolesField })

interface PeopleRoutesDeps {
  readonly pins: PinDesk
  readonly persons: PersonDesk
}

/** People with their fingerprints, to compare them; what admins do about them. */
export function peopleRoutes(
  api: Hono<ApiEnv>,
  { pins: desk, persons }: PeopleRoutesDeps,
  signedIn: SignedIn,
): void {
  personRoutes(api, persons, signedIn)
  api.get(
    '/people',
    signedIn(async () => ({ json: await desk.list() })),
  )
  api.post(
    '/people/pin/challenge',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, wishBody)
      if (!body.ok) return body
      const answer = await desk.begin(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/people/pin/apply',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, signedBody)
      if (!body.ok) return body
      const answer = await desk.finish(session, body.value.nonce, body.value.assertion)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}

/** What changes who can get in takes a passkey that was used lately. */
function personRoutes(api: Hono<ApiEnv>, persons: PersonDesk, signedIn: SignedIn): void {
  api.post(
    '/people',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, invitationBody)
      if (!body.ok) return body
      return objectionToStale(session) ?? replyOf(await persons.invite(session, body.value))
    }),
  )
  api.get(
    '/people/:person',
    signedIn(async (c) => {
      const person = personIdField.read(c.req.param('person') ?? '')
      return person.ok ? replyOf(await persons.show(person.value)) : refused('unknown_person')
    }),
  )
  api.delete(
    '/people/:person',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const person = personIdField.read(c.req.param('person') ?? '')
      if (!person.ok) return refused('unknown_person')
      return objectionToStale(session) ?? replyOf(await persons.remove(session, person.value))
    }),
  )
  api.post(
    '/people/:person/roles',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, rolesBody)
      if (!body.ok) return body
      const person = personIdField.read(c.req.param('person') ?? '')
      if (!person.ok) return refused('unknown_person')
      const { roles } = body.value
      return (
        objectionToStale(session) ?? replyOf(await persons.setRoles(session, person.value, roles))
      )
    }),
  )
  api.post(
    '/people/:person/recovery',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const person = personIdField.read(c.req.param('person') ?? '')
      if (!person.ok) return refused('unknown_person')
      return objectionToStale(session) ?? replyOf(await persons.recover(session, person.value))
    }),
  )
}

function replyOf(answer: Awaited<ReturnType<PersonDesk['recover']>>): Reply | Refused {
  return answer.ok ? { json: answer.json } : answer
}
