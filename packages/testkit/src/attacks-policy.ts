import { join } from 'node:path'
import { type SealedBundle, sealBundle } from '@trustgw/protocol'
import {
  connectNats,
  keyIdOf,
  nodeRandom,
  readCredsFile,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { newestBundle, openPolicies } from './attack-policy.ts'
import type { Attack, AttackWorld } from './attack-world.ts'
import { REFUND, reasonOf, wholeRefund } from './attacks-grant.ts'
import { stolenGrantKey } from './key-sets.ts'
import { until } from './process-table.ts'
import { asOperator, bundleOf, publishBundle, sealBundleOf } from './seal-policy.ts'

const OPEN_POLICY = `version = 1
[[rules]]
id       = "everything"
priority = 1
effect   = "allow"
match    = { tool = ["**"] }
`

/** Attacks on what decides, of whoever holds the gateway. The last one leaves a newer epoch behind. */
export function policyAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway, refundDecision, readDecision, refundTool: tool } = world
  return [
    {
      name: 'Tier 0 claimed by a stolen gateway',
      tried: 'a refund that policy puts before a person is recorded and granted as allowed',
      expected: 'decision_differs',
      check: 'executor: it decides again, by the policy that it pinned',
      run: async () => {
        const { rule_id } = readDecision
        const claim = { tier: 0, effect: 'allow', rule_id } as const
        const decided = await gateway.decide(refundDecision, REFUND, { tool, claim })
        const claims = gateway.claims(decided, tool, [])
        return reasonOf(await gateway.send({ ...decided, approvals: [], claims }))
      },
    },
    {
      name: 'A policy that the gateway signed itself',
      tried: 'a host that plays along puts it on the bus; a refund is decided by it',
      expected: 'bundle_seal',
      check: 'executor: only operator, delegate or a pinned admin puts policy in force',
      run: () => ownPolicy(world),
    },
    {
      name: 'An old policy used again',
      tried: 'the operator has published a newer one; the gateway decides by the one before',
      expected: 'policy_superseded',
      check: 'executor: the newest epoch that it verified, and no other',
      run: async () => {
        await publishNext(world)
        return reasonOf(await gateway.send(await wholeRefund(world)))
      },
    },
  ]
}

/** Why the executor did not take the policy, once it did not take the grant either. */
async function ownPolicy(world: AttackWorld): Promise<string> {
  const { gateway, system, refundDecision, refundTool: tool } = world
  const key = await stolenGrantKey(system.stateDir)
  const head = { tenant: gateway.tenant, epoch: gateway.policies.epoch + 1 }
  const forged = sealBundle(sha256, bundleOf([{ text: OPEN_POLICY }], head), {
    kid: keyIdOf('operator', key.publicKey),
    sign: key.sign,
    delegation: null,
  })
  const before = await gateway.lastOfExecutor('policy_refused')
  return await withForged(world, forged, async () => {
    const deciding = { tool, policies: openPolicies(forged) }
    const decided = await gateway.decide(refundDecision, REFUND, deciding)
    const claims = gateway.claims(decided, tool, [])
    const answer = await gateway.send({ ...decided, approvals: [], claims })
    if (reasonOf(answer) !== 'policy_epoch_ahead') return reasonOf(answer)
    let reason = 'not told'
    await until('the executor records why', async () => {
      const event = await gateway.lastOfExecutor('policy_refused')
      if (event === undefined || event.event_id === before?.event_id) return false
      reason = String(event.payload['reason'])
      return true
    })
    return reason
  })
}

/** Puts a bundle on the bus with the host's identity, and afterwards the genuine one back. */
async function withForged(
  world: AttackWorld,
  forged: SealedBundle,
  attack: () => Promise<string>,
): Promise<string> {
  const { system, gateway } = world
  const host = await connectNats({
    servers: [system.nats],
    creds: readCredsFile(join(system.stateDir, 'host', 'bus.creds')),
    logger: silentLogger,
    random: nodeRandom,
  })
  const policies = host.records({ home: 'data', bucket: 'policies' })
  const genuine = await newestBundle(policies, gateway.tenant)
  try {
    await publishBundle(policies, gateway.tenant, forged)
    return await attack()
  } finally {
    await publishBundle(policies, gateway.tenant, genuine)
    await host.bus.drain()
  }
}

/** The operator publishes the same policies under the next epoch, and the executor pins them. */
async function publishNext(world: AttackWorld): Promise<void> {
  const { system, gateway } = world
  const epoch = gateway.policies.epoch + 1
  const files = gateway.policies.policies.map(({ text, scope, compiled }) => ({
    text,
    layer: compiled.layer,
    ...(scope === null ? {} : { scope }),
  }))
  await asOperator(system, async ({ policies, operatorKey }) => {
    const sealed = sealBundleOf(files, { tenant: gateway.tenant, epoch, operatorKey })
    await publishBundle(policies, gateway.tenant, sealed)
  })
  await until('the executor pins the newer policy', async () => {
    const event = await gateway.lastOfExecutor('policy_pinned')
    return event?.payload['epoch'] === epoch
  })
}
