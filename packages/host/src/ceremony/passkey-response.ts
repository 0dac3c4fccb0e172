import {
  arrayShape,
  nullableShape,
  ok,
  oneOfShape,
  optionalMember,
  parsedShape,
  pickedShape,
  type Result,
  refuse,
  type Shape,
  stringShape,
} from '@trustgw/protocol'

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

export const registrationResponseShape: Shape<RegistrationResponse> = pickedShape({
  id: credentialIdField,
  rawId: credentialIdField,
  type: oneOfShape('public-key'),
  response: pickedShape({
    clientDataJSON: clientDataField,
    attestationObject: bytesField(16_384),
    transports: optionalMember(
      arrayShape(stringShape({ min: 1, max: 32, characters: 'token' }), { max: 8 }),
    ),
  }),
})

export const assertionResponseShape: Shape<AssertionResponse> = pickedShape({
  id: credentialIdField,
  rawId: credentialIdField,
  type: oneOfShape('public-key'),
  response: pickedShape({
    clientDataJSON: clientDataField,
    authenticatorData: bytesField(4_096),
    signature: bytesField(2_048),
    userHandle: optionalMember(nullableShape(bytesField(128))),
  }),
})
