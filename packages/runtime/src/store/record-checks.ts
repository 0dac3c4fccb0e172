import { RECORD_VALUE_MAX_BYTES } from './record-store.ts'

/** `TypeError` on an empty value (it would read as removed) and on one over the limit. */
export function checkValue(value: Uint8Array): void {
  if (value.length === 0) throw new TypeError('a record is not empty')
  if (value.length > RECORD_VALUE_MAX_BYTES) throw new TypeError('record too long')
}

/** `TypeError` on a revision that no write returned: 0 would turn a replace into a create. */
export function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 1) throw new TypeError('no such revision')
}
