import type { Attack, AttackWorld } from './attack-world.ts'
import { busAttacks } from './attacks-agent.ts'
import { grantAttacks } from './attacks-grant.ts'
import { policyAttacks } from './attacks-policy.ts'
import { paidRefunds } from './shop-view.ts'

/** How an attack ended. */
export interface AttackOutcome {
  readonly name: string
  readonly tried: string
  readonly check: string
  readonly expected: string
  readonly observed: string
  /** True when exactly the expected check stopped it and no money moved. */
  readonly stopped: boolean
}

/** Every attack, in the order in which they are told. */
export function allAttacks(world: AttackWorld): readonly Attack[] {
  return [...grantAttacks(world), ...busAttacks(world), ...policyAttacks(world)]
}

/** Tries one attack and looks afterwards whether the shop paid anything. */
export async function tryAttack(world: AttackWorld, attack: Attack): Promise<AttackOutcome> {
  const { name, tried, check, expected } = attack
  const before = (await paidRefunds(world.system)).length
  const observed = await attack.run().catch((error: unknown) => `fault: ${messageOf(error)}`)
  const paid = (await paidRefunds(world.system)).length - before
  const shown = paid === 0 ? observed : `${observed}, and the shop paid`
  return { name, tried, check, expected, observed: shown, stopped: shown === expected }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
