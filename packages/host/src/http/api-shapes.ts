import { nullableShape, objectShape, type Shape, stringShape } from '@trustgw/protocol'
import {
  type AssertionResponse,
  assertionResponseShape,
  type RegistrationResponse,
  registrationResponseShape,
} from '../ceremony/passkey-response.ts'
import { personNameField, tokenField } from '../people/person.ts'

const REASON_MAX_CHARS = 500

export interface EnrolBegin {
  readonly token: string
  readonly name: string
}

export interface RegistrationStep {
  readonly ceremony: string
  readonly response: RegistrationResponse
}

export interface LoginFinish {
  readonly ceremony: string
  readonly response: AssertionResponse
}

export interface Approve {
  readonly nonce: string
  readonly assertion: AssertionResponse | null
}

/** What a passkey signed, and the ceremony that it ends. */
export interface Signed {
  readonly nonce: string
  readonly assertion: AssertionResponse
}

export interface Deny {
  readonly reason: string
}

export interface PageOpen {
  readonly code: string
}

export const pageOpenBody: Shape<PageOpen> = objectShape({ code: tokenField })

export const emptyBody: Shape<object> = objectShape({})

export const enrolBeginBody: Shape<EnrolBegin> = objectShape({
  token: stringShape({ min: 1, max: 256, characters: 'token' }),
  name: personNameField,
})

export const registrationBody: Shape<RegistrationStep> = objectShape({
  ceremony: tokenField,
  response: registrationResponseShape,
})

export const loginFinishBody: Shape<LoginFinish> = objectShape({
  ceremony: tokenField,
  response: assertionResponseShape,
})

export const approveBody: Shape<Approve> = objectShape({
  nonce: tokenField,
  assertion: nullableShape(assertionResponseShape),
})

export const signedBody: Shape<Signed> = objectShape({
  nonce: tokenField,
  assertion: assertionResponseShape,
})

export const denyBody: Shape<Deny> = objectShape({
  reason: stringShape({ min: 1, max: REASON_MAX_CHARS }),
})
