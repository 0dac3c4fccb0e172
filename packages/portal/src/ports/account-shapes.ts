import {
  arrayShape,
  booleanShape,
  integerShape,
  nullableShape,
  oneOfShape,
  pickedShape,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'
import { creationShape } from './shapes.ts'

const SESSIONS_MAX = 4_096
const PASSKEYS_MAX = 64
const CHANNELS_MAX = 8

const text = stringShape({ max: 2_000 })
const moment = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

const ownPasskeyShape = pickedShape({
  id: text,
  purpose: oneOfShape('login', 'approval'),
  name: nullableShape(text),
  created_at: moment,
  used_at: nullableShape(moment),
})
export type OwnPasskey = ShapeOf<typeof ownPasskeyShape>

const ownSessionShape = pickedShape({
  sid: text,
  kind: oneOfShape('portal', 'terminal'),
  created_at: moment,
  used_at: moment,
  ends_at: moment,
  device: text,
  current: booleanShape(),
})
export type OwnSession = ShapeOf<typeof ownSessionShape>

export const ownPasskeysShape: Shape<{ readonly passkeys: readonly OwnPasskey[] }> = pickedShape({
  passkeys: arrayShape(ownPasskeyShape, { max: PASSKEYS_MAX }),
})
export const ownSessionsShape: Shape<{ readonly sessions: readonly OwnSession[] }> = pickedShape({
  sessions: arrayShape(ownSessionShape, { max: SESSIONS_MAX }),
})
export const passkeyBegunShape = pickedShape({ ceremony: text, options: creationShape })
export type PasskeyBegun = ShapeOf<typeof passkeyBegunShape>
export const passkeyAddedShape = pickedShape({ id: text, fingerprint: text })
export type PasskeyAdded = ShapeOf<typeof passkeyAddedShape>
/** A terminal that waits to be let in. */
export const waitingTerminalShape = pickedShape({
  user_code: text,
  device: text,
  asked_at: moment,
  expires_at: moment,
})
export type WaitingTerminal = ShapeOf<typeof waitingTerminalShape>
const ownChannelShape = pickedShape({
  channel: oneOfShape('telegram', 'slack'),
  linked_at: nullableShape(moment),
})
export type OwnChannel = ShapeOf<typeof ownChannelShape>
export const ownChannelsShape: Shape<{ readonly channels: readonly OwnChannel[] }> = pickedShape({
  channels: arrayShape(ownChannelShape, { max: CHANNELS_MAX }),
})
/** What the person sends to the chat to link an account. */
export const linkCodeShape = pickedShape({ code: text, expires_at: moment })
export type LinkCode = ShapeOf<typeof linkCodeShape>
export const endedShape = pickedShape({ ended: moment })
export type Ended = ShapeOf<typeof endedShape>
