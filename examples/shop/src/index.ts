export { type Fault, type FaultMode } from './faults.ts'
export { type LedgerEntry } from './ledger-entry.ts'
export { type RunningShop, type ShopOptions, startShop } from './server.ts'
export { ShopError, type ShopErrorCode } from './shop-error.ts'
