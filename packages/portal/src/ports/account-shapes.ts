import {
  arrayShape,
  booleanShape,
  integerShape,
  pickedShape,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'

const SESSIONS_MAX = 1_000
const text = stringShape({ max: 200 })
const moment = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

const ownSessionShape = pickedShape({
  sid: text,
  created_at: moment,
  used_at: moment,
  device: text,
  current: booleanShape(),
})
/** One place where a person is signed in. Times in Unix milliseconds. */
export type OwnSession = ShapeOf<typeof ownSessionShape>

export const ownSessionsShape: Shape<{ readonly sessions: readonly OwnSession[] }> = pickedShape({
  sessions: arrayShape(ownSessionShape, { max: SESSIONS_MAX }),
})
export const endedShape: Shape<{ readonly ended: number }> = pickedShape({ ended: moment })
