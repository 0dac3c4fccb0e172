/** Stored actions for whoever reads them beside a gateway: nothing of the gateway itself is loaded. */
export {
  type ActionRecord,
  argumentsOf,
  readActionRecord,
  writeActionRecord,
} from './action/action-record.ts'
