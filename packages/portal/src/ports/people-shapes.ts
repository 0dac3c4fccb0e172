import {
  arrayShape,
  booleanShape,
  freezeStatementShape,
  hashField,
  integerShape,
  nullableShape,
  objectShape,
  oneOfShape,
  pickedShape,
  pinStatementShape,
  type Shape,
  type ShapeOf,
  stringShape,
  taggedShape,
  thawStatementShape,
} from '@trustgw/protocol'
import type { ListedFreeze } from '../logic/freezes.ts'
import type { ListedPerson } from '../logic/pinning.ts'

const TEXT_MAX_CHARS = 2_000
const FREEZES_MAX = 4_096
const PEOPLE_MAX = 16_384

const text = stringShape({ max: TEXT_MAX_CHARS })
const moment = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

export const freezesShape: Shape<{ readonly freezes: readonly ListedFreeze[] }> = pickedShape({
  freezes: arrayShape(
    pickedShape({
      statement: freezeStatementShape,
      reason: text,
      vouched: text,
      final: booleanShape(),
    }),
    { max: FREEZES_MAX },
  ),
})

const ceremony = {
  nonce: text,
  rp_id: text,
  credential_ids: arrayShape(text, { max: 64 }),
} as const

export const freezeChallengeShape = pickedShape({
  ...ceremony,
  statement: taggedShape('typ', {
    'trustgw/freeze/1': freezeStatementShape,
    'trustgw/thaw/1': thawStatementShape,
  }),
})
export type FreezeChallenge = ShapeOf<typeof freezeChallengeShape>

export const frozenShape = pickedShape({ hash: hashField })

export const peopleShape: Shape<{ readonly people: readonly ListedPerson[] }> = pickedShape({
  people: arrayShape(
    pickedShape({
      id: text,
      name: text,
      roles: arrayShape(text, { max: 32 }),
      passkeys: arrayShape(
        pickedShape({
          credential_id: text,
          public_key: text,
          rp_id: text,
          created_at: moment,
          pin: nullableShape(
            taggedShape('kind', {
              pinned: objectShape({ kind: oneOfShape('pinned'), by: text, at: moment }),
              revoked: objectShape({ kind: oneOfShape('revoked'), at: moment }),
            }),
          ),
        }),
        { max: 64 },
      ),
    }),
    { max: PEOPLE_MAX },
  ),
})

export const pinChallengeShape = pickedShape({ ...ceremony, statement: pinStatementShape })
export type PinChallenge = ShapeOf<typeof pinChallengeShape>

export const personDetailShape = pickedShape({
  id: text,
  name: text,
  roles: arrayShape(text, { max: 32 }),
  sign_in_passkeys: moment,
  sessions: moment,
})
export type PersonDetail = ShapeOf<typeof personDetailShape>

export const linkGivenShape = pickedShape({ person: text, link: text, expires_at: moment })
export type LinkGiven = ShapeOf<typeof linkGivenShape>

export const pinnedShape = pickedShape({ person: text, fingerprint: text })
