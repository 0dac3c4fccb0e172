import type { BusLink, Disk, Random } from '@trustgw/runtime'
import type { Life } from './life.ts'

export type Kind = 'gateway' | 'executor' | 'host' | 'log'

/** What one run of a process has: its connection, disk, clock and source of random bytes. */
export interface Body {
  readonly life: Life
  readonly link: BusLink
  readonly disk: Disk
  readonly random: Random
}

export interface Party {
  stop(): Promise<void>
}
