import {
  arrayShape,
  isJsonObject,
  type Json,
  type JsonObject,
  type Members,
  nullableShape,
  type ObjectOf,
  objectShape,
  ok,
  oneOfShape,
  optionalMember,
  parsedShape,
  type Result,
  refuse,
  type Shape,
  stringShape,
} from '@trustgw/protocol'

/**
 * The members that are needed of a document whose form is the browser's (WebAuthn level 3 §5.1.8):
 * browsers add members of their own, so the others are left out instead of refused.
 */
function picked<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const closed = objectShape(members)
  return { description: closed.description, read: (value) => closed.read(pick(value, members)) }
}

function pick(value: Json, members: Members): Json {
  if (!isJsonObject(value)) return value
  const kept: JsonObject = Object.fromEntries(
    Object.entries(value).filter(([name]) => Object.hasOwn(members, name)),
  )
  return kept
}

const bytesField = (max: number): Shape<string> =>
  parsedShape(
    stringShape({ min: 1, max, characters: 'token' }),
    'base64url',
    (text): Result<string> => (/^[A-Za-z0-9_-]+$/.test(text) ? ok(text) : refuse('base64url')),
  )

const credentialIdField = bytesField(1_400)
const clientDataField = bytesField(4_096)

/** What is used of RegistrationResponseJSON; every text but `type` is base64url. */
export interface RegistrationResponse {
  readonly id: string
  readonly rawId: string
  readonly type: 'public-key'
  readonly response: {
    readonly clientDataJSON: string
    readonly attestationObject: string
    readonly transports?: readonly string[]
  }
}

/** What is used of AuthenticationResponseJSON; every text but `type` is base64url. */
export interface AssertionResponse {
  readonly id: string
  readonly rawId: string
  readonly type: 'public-key'
  readonly response: {
    readonly clientDataJSON: string
    readonly authenticatorData: string
    readonly signature: string
    readonly userHandle?: string | null
  }
}

export const registrationResponseShape: Shape<RegistrationResponse> = picked({
  id: credentialIdField,
  rawId: credentialIdField,
  type: oneOfShape('public-key'),
  response: picked({
    clientDataJSON: clientDataField,
    attestationObject: bytesField(16_384),
    transports: optionalMember(
      arrayShape(stringShape({ min: 1, max: 32, characters: 'token' }), { max: 8 }),
    ),
  }),
})

export const assertionResponseShape: Shape<AssertionResponse> = picked({
  id: credentialIdField,
  rawId: credentialIdField,
  type: oneOfShape('public-key'),
  response: picked({
    clientDataJSON: clientDataField,
    authenticatorData: bytesField(4_096),
    signature: bytesField(2_048),
    userHandle: optionalMember(nullableShape(bytesField(128))),
  }),
})
