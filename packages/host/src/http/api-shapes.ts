import {
  nullableShape,
  objectShape,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'
import { assertionResponseShape, registrationResponseShape } from '../ceremony/passkey-response.ts'
import { personNameField, tokenField } from '../people/person.ts'

const nonEmptyLine = stringShape({ min: 1, max: 500 })
const ceremonyField = tokenField

const emptyMembers = objectShape({})
const enrolBeginMembers = objectShape({
  token: stringShape({ min: 1, max: 256, characters: 'token' }),
  name: personNameField,
})
const registrationMembers = objectShape({
  ceremony: ceremonyField,
  response: registrationResponseShape,
})
const loginFinishMembers = objectShape({ ceremony: ceremonyField, response: assertionResponseShape })
const approveMembers = objectShape({
  nonce: tokenField,
  assertion: nullableShape(assertionResponseShape),
})
const denyMembers = objectShape({ reason: nonEmptyLine })

export const emptyBody: Shape<ShapeOf<typeof emptyMembers>> = emptyMembers
export const enrolBeginBody: Shape<ShapeOf<typeof enrolBeginMembers>> = enrolBeginMembers
export const registrationBody: Shape<ShapeOf<typeof registrationMembers>> = registrationMembers
export const loginFinishBody: Shape<ShapeOf<typeof loginFinishMembers>> = loginFinishMembers
export const approveBody: Shape<ShapeOf<typeof approveMembers>> = approveMembers
export const denyBody: Shape<ShapeOf<typeof denyMembers>> = denyMembers
