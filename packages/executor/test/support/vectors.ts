import {
  arrayShape,
  integerShape,
  jsonObjectShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type ShapeOf,
  sealedBundleShape,
  stringShape,
  toolContractShape,
} from '@trustgw/protocol'
import { pinShape } from '../../src/pins/pin.ts'

/** A file of `vectors/admission`: what an executor trusts and serves, and messages with their fate. */
export const vectorsShape = objectShape({
  about: stringShape({ max: 1_000 }),
  now_ms: integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  profile: stringShape({ max: 31 }),
  tenant: stringShape({ max: 31 }),
  contract: toolContractShape,
  /** The tool by which the precondition of the contract is read. */
  read: optionalMember(toolContractShape),
  keys: arrayShape(
    objectShape({
      kid: stringShape({ max: 64 }),
      role: oneOfShape('grant', 'audit', 'host', 'operator'),
      component: oneOfShape('gateway', 'host', 'operator'),
      public: stringShape({ max: 64 }),
    }),
    { max: 8 },
  ),
  /** The newest policy bundle, sealed by the operator. */
  policy: sealedBundleShape,
  pins: arrayShape(pinShape, { max: 8 }),
  audit: arrayShape(
    objectShape({
      seq: integerShape({ min: 1, max: 1_000 }),
      subject: stringShape({ max: 200 }),
      event: jsonObjectShape(),
    }),
    { max: 200 },
  ),
  cases: arrayShape(
    objectShape({
      name: stringShape({ max: 200 }),
      message: jsonObjectShape(),
      /** What that read gives when the message comes; absent: nothing. */
      now: optionalMember(jsonObjectShape()),
      expected: stringShape({ max: 64 }),
    }),
    { max: 200 },
  ),
})

export type AdmissionVectors = ShapeOf<typeof vectorsShape>
