import { hash } from 'node:crypto'
import type { Sha256 } from '@trustgw/protocol'

/** SHA-256 in one call. */
export const sha256: Sha256 = (data) => hash('sha256', data, 'hex')
