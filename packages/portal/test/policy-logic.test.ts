import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parsePolicy } from '@trustgw/core'
import { canonicalize, type Hash, hashText } from '@trustgw/protocol'
import { inflateText, localTimesOf } from '@trustgw/runtime'
import { REFUND, sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { mayAllowMore } from '../src/logic/applying.ts'
import { flipRows } from '../src/logic/flips.ts'
import { oddLines } from '../src/logic/odd-lines.ts'
import {
  lineOfRule,
  lineSpan,
  policyKey,
  sameDraft,
  withLayer,
  withoutLayer,
  withText,
} from '../src/logic/policy-draft.ts'
import {
  type JudgeContext,
  type JudgeStep,
  judgeDraft,
  openDraft,
  replayAll,
  tryProposal,
} from '../src/logic/policy-judge.ts'
import { sealableBundle } from '../src/logic/policy-seal.ts'
import { type PolicyStatusView, policyAlarm, takeUpOf } from '../src/logic/policy-status.ts'
import { changeWords, checkWords, sealWords } from '../src/logic/policy-words.ts'
import type { RecordedProposal } from '../src/logic/recorded.ts'
import { EMPTY_RULE, type RuleForm, ruleProblem, withRule } from '../src/logic/rule-form.ts'
import { EMPTY_TRY, formOf, proposalOf } from '../src/logic/try-form.ts'
import {
  bundleOf,
  PLATFORM,
  type PolicyFile,
  QUICK_START,
  storyRecorded,
  storyTools,
} from './double/policy-story.ts'

const NOW = 1_750_000_000_000
const WIDER = QUICK_START.replaceAll('"100.00 EUR"', '"250.00 EUR"')
const deps = { sha256, localTimes: localTimesOf }
const recorded = storyRecorded(NOW) as readonly RecordedProposal[]

const context: JudgeContext = {
  tenant: TENANT,
  development: false,
  inForce: [PLATFORM],
  tools: storyTools,
  recorded,
}

const platform = (text: string): PolicyFile => ({ ...PLATFORM, text })

function steps(policies: readonly PolicyFile[], change: Partial<JudgeContext> = {}): JudgeStep[] {
  return [...judgeDraft(policies, { ...context, ...change }, deps)]
}

function last<K extends JudgeStep['kind']>(
  all: readonly JudgeStep[],
  kind: K,
): Extract<JudgeStep, { kind: K }> {
  const found = all.findLast((step) => step.kind === kind)
  assert.equal(found?.kind, kind)
  return found as Extract<JudgeStep, { kind: K }>
}

describe('a draft of policies', () => {
  const tenant = { layer: 'tenant', scope: null, file: 't.toml', text: 'version = 1\n' } as const

  it('takes each layer once, in the order of width, and names what it is for', () => {
    const one = withLayer([PLATFORM], 'agent', ' support-agent ')
    assert.ok(typeof one !== 'string')
    const two = withLayer(one, 'tenant', 'ignored')
    assert.ok(typeof two !== 'string')
    assert.deepEqual(two.map(policyKey), ['platform', 'tenant', 'agent/support-agent'])
    assert.equal(withLayer(two, 'tenant', ''), 'layer_there')
    assert.equal(withLayer(two, 'agent', 'support-agent'), 'layer_there')
    assert.equal(withLayer(two, 'workspace', ' '), 'scope_missing')
    assert.equal(withLayer(two, 'workspace', 'a b'), 'scope_odd')
    assert.equal(withLayer(two, 'workspace', 'x'.repeat(129)), 'scope_odd')
  })

  it('begins every new layer with a text that loads', () => {
    for (const layer of ['tenant', 'workspace', 'agent'] as const) {
      const draft = withLayer([PLATFORM], layer, 'x')
      assert.ok(typeof draft !== 'string')
      assert.ok(openDraft(draft, context, deps).ok, layer)
    }
    const alone = withLayer([], 'platform', '')
    assert.ok(typeof alone !== 'string')
    assert.ok(openDraft(alone, context, deps).ok)
  })

  it('never loses the platform, and compares by what a policy is for', () => {
    const draft = [PLATFORM, tenant]
    assert.deepEqual(withoutLayer(draft, 'platform'), draft)
    assert.deepEqual(withoutLayer(draft, 'tenant'), [PLATFORM])
    assert.ok(sameDraft(draft, [tenant, PLATFORM]))
    assert.ok(!sameDraft(draft, withText(draft, 'tenant', 'version = 1')))
    assert.ok(!sameDraft(draft, [PLATFORM]))
  })

  it('finds the line of a rule by its id, and the span of a line', () => {
    assert.equal(
      QUICK_START.split('\n')[lineOfRule(QUICK_START, 'refund-large') - 1]?.trim(),
      'id       = "refund-large"',
    )
    assert.equal(lineOfRule(QUICK_START, 'refund.large'), 1)
    assert.equal(lineOfRule(QUICK_START, '('), 1)
    const { start, end } = lineSpan('a\nbcd\n', 2)
    assert.equal('a\nbcd\n'.slice(start, end), 'bcd')
    assert.deepEqual(lineSpan('a\nb', 9), { start: 2, end: 3 })
  })

  it('names lines with what the eye may miss, and no others', () => {
    const text = 'plain\twith tab\r\nгrefund\nreads\u200b\nünïcode, fine\n'
    assert.deepEqual(
      oddLines(text).map(({ line }) => line),
      [2, 3],
    )
  })
})

describe('a rule from the form', () => {
  const form: RuleForm = {
    ...EMPTY_RULE,
    tools: 'shop.refund*, bank.**',
    operations: ['transfer', 'update'],
    amount: '100.00 EUR',
    roles: 'finance',
    reason: 'He said "stop" \\ now',
  }

  it('loads, says what was chosen, and stands where it is said to stand', () => {
    const { text, line } = withRule(QUICK_START, form)
    assert.equal(text.split('\n')[line - 1], '[[rules]]')
    const parsed = parsePolicy(text, { file: 'f' })
    assert.ok(parsed.ok)
    const rule = parsed.value.rules.at(-1)
    assert.equal(rule?.effect, 'require_approval')
    assert.equal(rule?.tier, 2)
    assert.equal(rule?.reason, form.reason)
    const { roles, quorum, channels } = rule?.approvers ?? assert.fail()
    assert.deepEqual(
      { roles, quorum, channels },
      {
        roles: ['finance'],
        quorum: 1,
        channels: ['portal'],
      },
    )
    assert.deepEqual(
      rule?.match.map(({ kind }) => kind),
      ['tool', 'operation', 'amount'],
    )
  })

  it('loads for every effect, with an id that no other rule has', () => {
    let text = 'version = 1'
    for (const effect of ['allow', 'deny', 'require_approval'] as const) {
      for (const tier of [1, 2] as const) {
        text = withRule(text, { ...form, effect, tier, roles: '', amount: '' }).text
      }
    }
    const parsed = parsePolicy(text, { file: 'f' })
    assert.ok(parsed.ok, JSON.stringify(parsed))
    assert.equal(new Set(parsed.value.rules.map(({ id }) => id)).size, 6)
    const odd = withRule(text, { ...EMPTY_RULE, tools: '***', reason: 'r', effect: 'deny' }).text
    assert.ok(!odd.includes('id       = ""'))
  })

  it('is not written while it is about nothing, or without a reason', () => {
    assert.equal(ruleProblem({ ...EMPTY_RULE, reason: 'r' }), 'match_empty')
    assert.equal(ruleProblem({ ...form, reason: ' ' }), 'reason_missing')
    assert.equal(ruleProblem({ ...EMPTY_RULE, reason: 'r', operations: ['read'] }), undefined)
    assert.equal(ruleProblem(form), undefined)
  })
})

describe('the judge', () => {
  it('stops at a draft that does not load, and says where', () => {
    const all = steps([platform(QUICK_START.replace('priority = 10', 'priorty = 10'))])
    assert.equal(all.length, 1)
    const { findings } = last(all, 'opened')
    assert.ok(findings.every(({ key, finding }) => key === 'platform' && finding.line > 1))
    assert.equal(findings[1]?.finding.nearest, 'priority')
    assert.equal(findings[1]?.finding.file, 'policy.toml')
  })

  it('refuses an effect that only development may have, and layers that do not fit', () => {
    const open = platform(QUICK_START.replace('= "deny"', '= "allow"'))
    assert.equal(last(steps([open]), 'opened').findings.length, 1)
    assert.equal(last(steps([open], { development: true }), 'opened').findings.length, 0)
    const { findings } = last(steps([{ ...PLATFORM, layer: 'tenant', scope: 'x' }]), 'opened')
    assert.ok(findings.length >= 2)
    assert.equal(last(steps([]), 'opened').findings[0]?.key, '')
  })

  it('finds nothing changed in what is in force, and nothing decided otherwise', () => {
    const all = steps([PLATFORM])
    assert.deepEqual(last(all, 'compared'), { kind: 'compared', layers: [], isWhole: true })
    const { replay } = last(all, 'replayed')
    assert.deepEqual([replay.decided, replay.flips.length], [recorded.length, 0])
    const uncovered = last(all, 'checked').findings.map(({ finding }) => finding.kind)
    assert.deepEqual(uncovered, ['uncovered_tool', 'uncovered_tool'])
  })

  it('finds a widening with an example, and the proposals that it lets through', () => {
    const all = steps([platform(WIDER)])
    const [layer] = last(all, 'compared').layers
    assert.equal(layer?.diff.verdict, 'widens')
    assert.equal(layer?.diff.widens[0]?.example['amount'], '100.01 EUR')
    assert.equal(changeWords(layer.diff.widens[0]), 'what needs a passkey then needs a click')
    const { flips } = last(all, 'replayed').replay
    assert.deepEqual(
      flipRows(flips, recorded).map(({ proposal }) => proposal.amount),
      ['180.00 EUR', '249.99 EUR', '120.00 EUR'],
    )
    assert.ok(flips.every(({ direction }) => direction === 'wider'))
  })

  it('tells the other direction as stricter, with both sides the right way round', () => {
    const all = steps([PLATFORM], { inForce: [platform(WIDER)] })
    const [layer] = last(all, 'compared').layers
    assert.equal(layer?.diff.verdict, 'narrower')
    assert.equal(layer?.stricter[0]?.before.tier, 1)
    assert.equal(layer?.stricter[0]?.after.tier, 2)
  })

  it('compares a layer that is new or gone with one that says nothing', () => {
    const tenant: PolicyFile = {
      layer: 'tenant',
      scope: null,
      file: 't.toml',
      text: 'version = 1\n[[rules]]\nid = "no"\npriority = 1\neffect = "deny"\n[rules.match]\ntool = ["**"]\n',
    }
    const added = last(steps([PLATFORM, tenant]), 'compared').layers
    assert.deepEqual(
      added.map(({ key, diff }) => [key, diff.verdict]),
      [['tenant', 'narrower']],
    )
    const gone = last(steps([PLATFORM], { inForce: [PLATFORM, tenant] }), 'compared').layers
    assert.deepEqual(
      gone.map(({ key, diff }) => [key, diff.verdict]),
      [['tenant', 'widens']],
    )
  })

  it('counts a draft as one that allows more until the opposite is proved', () => {
    const whole = (policies: readonly PolicyFile[]) => ({
      layers: {
        list: last(steps(policies), 'compared').layers,
        isWhole: true,
      },
      outcome: 'whole' as const,
    })
    assert.equal(mayAllowMore(whole([PLATFORM])), false)
    assert.equal(mayAllowMore(whole([platform(WIDER)])), true)
    assert.equal(mayAllowMore({ layers: undefined, outcome: 'whole' }), true)
    assert.equal(mayAllowMore({ ...whole([PLATFORM]), outcome: 'failed' }), true)
    assert.equal(mayAllowMore({ layers: { list: [], isWhole: false }, outcome: 'whole' }), true)
  })

  it('replays each proposal under the layers of its own agent', () => {
    const forDocs: PolicyFile = {
      layer: 'agent',
      scope: 'docs-agent',
      file: 'a.toml',
      text: 'version = 1\n[[rules]]\nid = "no"\npriority = 1\neffect = "deny"\n[rules.match]\ntool = ["**"]\n',
    }
    const opened = openDraft([PLATFORM, forDocs], context, deps)
    assert.ok(opened.ok)
    const { flips } = replayAll(opened.value, recorded, deps)
    const agents = flipRows(flips, recorded).map(
      ({ proposal }) => proposal.decision.principal.subject,
    )
    assert.deepEqual(agents, ['docs-agent', 'docs-agent'])
  })

  it('knows local time where a policy asks for it, and what the record left out', () => {
    const atNight = `${QUICK_START}
[[rules]]
id = "night"
priority = 1
effect = "deny"
[rules.match]
source = ["mcp"]
time = { days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], tz = "Europe/Berlin" }
`
    const opened = openDraft([platform(atNight)], context, deps)
    assert.ok(opened.ok)
    const { flips, uncertain } = replayAll(opened.value, recorded, deps)
    assert.equal(uncertain.length, 0, 'source and time are known beside the record')
    assert.ok(flips.every(({ after }) => after.rule_id === 'night'))
  })
})

describe('trying a proposal', () => {
  const form = { ...EMPTY_TRY, tool: REFUND.id, args: '{"amount":"180.00","currency":"EUR"}' }

  it('decides by the draft, line by line, beside what is in force', () => {
    const proposal = proposalOf(form, storyTools, NOW)
    assert.ok(typeof proposal !== 'string')
    const tried = tryProposal([platform(WIDER)], proposal, context, deps)
    assert.equal(tried?.explanation.decision.tier, 1)
    assert.equal(tried?.inForce?.tier, 2)
    const decides = tried?.explanation.rules.find(({ id }) => id === 'refund-small')
    assert.deepEqual(
      decides?.lines.map(({ truth }) => truth),
      [true, true, true],
    )
    assert.equal(tryProposal([platform('x')], proposal, context, deps), null)
  })

  it('gives a recorded proposal the decision that it got', () => {
    for (const one of recorded) {
      const proposal = proposalOf(formOf(one), storyTools, NOW)
      assert.ok(typeof proposal !== 'string')
      const tried = tryProposal([PLATFORM], proposal, context, deps)
      assert.equal(tried?.explanation.decision.rule_id, one.decision.rule_id)
      assert.equal(proposal.at, one.at)
    }
  })

  it('says what is wrong with the form', () => {
    assert.equal(proposalOf({ ...form, tool: 'no.such' }, storyTools, NOW), 'tool_unknown')
    assert.equal(proposalOf({ ...form, args: '{"a":1,"a":2}' }, storyTools, NOW), 'args_unreadable')
    assert.equal(proposalOf({ ...form, args: '[]' }, storyTools, NOW), 'args_no_object')
    const other = { ...formOf(recorded[0] as RecordedProposal), tool: 'shop.get_order' }
    const proposal = proposalOf(other, storyTools, NOW)
    assert.ok(typeof proposal !== 'string')
    assert.equal(proposal.recorded, null, 'another tool is another proposal')
  })
})

describe('what is sealed', () => {
  const made = bundleOf([PLATFORM], 8, NOW)
  const offered = { bundle: made.text, bundle_hash: made.bundle_hash, nonce: 'n'.repeat(22) }
  const expected = {
    tenant: TENANT,
    admin: 'ada',
    texts: [PLATFORM],
    after: 7,
    inflate: (deflated: string, maxBytes: number) =>
      Promise.resolve(inflateText(deflated, maxBytes)),
    sha256,
  }
  const refusal = async (
    change: Partial<typeof offered>,
    other: Partial<typeof expected> = {},
  ): Promise<string> => {
    const sealable = await sealableBundle({ ...offered, ...change }, { ...expected, ...other })
    return sealable.ok ? 'sealable' : sealable.reason
  }

  it('is the bundle of exactly the texts on the page, hashed and unpacked here', async () => {
    const sealable = await sealableBundle(offered, expected)
    assert.ok(sealable.ok)
    assert.equal(sealable.value.bundle.epoch, 8)
    const parsed = JSON.parse(made.text) as object
    const statement = {
      typ: 'trustgw/bundle/1',
      tenant: TENANT,
      epoch: 8,
      bundle_hash: hashText(sha256, made.text),
      issued_at: NOW,
      admin: 'ada',
      nonce: offered.nonce,
    }
    const digest = sha256(canonicalize(statement))
    assert.equal(sealable.value.challenge, Buffer.from(digest, 'hex').toString('base64url'))
    assert.ok('policies' in parsed)
  })

  it('is unpacked no further than what is on the page', async () => {
    const asked: number[] = []
    const inflate: typeof expected.inflate = (deflated, maxBytes) => {
      asked.push(maxBytes)
      return expected.inflate(deflated, maxBytes)
    }
    assert.equal(await refusal({}, { inflate }), 'sealable')
    assert.deepEqual(asked, [Buffer.byteLength(PLATFORM.text)])
  })

  it('refuses another text, order, name, epoch, tenant, hash and form', async () => {
    const having = (change: object): Partial<typeof offered> => {
      const bundle = canonicalize({ ...(JSON.parse(made.text) as object), ...change })
      return { bundle, bundle_hash: hashText(sha256, bundle) }
    }
    const wider = bundleOf([platform(WIDER)], 8, NOW)
    assert.equal(
      await refusal({ bundle: wider.text, bundle_hash: wider.bundle_hash }),
      'bundle_texts_differ',
    )
    assert.equal(await refusal({}, { texts: [] }), 'bundle_texts_differ')
    assert.equal(await refusal({}, { texts: [{ ...PLATFORM, file: 'b' }] }), 'bundle_texts_differ')
    assert.equal(
      await refusal({}, { inflate: () => Promise.resolve(undefined) as never }),
      'bundle_texts_differ',
    )
    assert.equal(await refusal({}, { after: 8 }), 'bundle_place_differs')
    assert.equal(await refusal(having({ tenant: 'globex' })), 'bundle_place_differs')
    assert.equal(
      await refusal({ bundle_hash: `sha256:${'0'.repeat(64)}` as Hash }),
      'bundle_hash_differs',
    )
    assert.equal(await refusal({ bundle: ` ${made.text}` }), 'bundle_unreadable')
    assert.equal(await refusal(having({ more: 1 })), 'bundle_unreadable')
    assert.equal(await refusal({ bundle: '{}' }), 'bundle_unreadable')
  })
})

describe('the banner', () => {
  const hash = (digit: string): Hash => `sha256:${digit.repeat(64)}` as Hash
  const newest = { epoch: 4, bundle_hash: hash('a'), issued_at: 1, sealed_by: 'operator' }
  const decides = { epoch: 4, bundle_hash: hash('a') }
  const well: PolicyStatusView = {
    in_force: newest,
    unreadable: false,
    gateway: { ...decides, refused: null, at: 1 },
    executors: [{ profile: 'connector', policy: decides }],
  }
  const refused = {
    at: 1,
    reason: 'policy_refused',
    details: ['f:1:1: no'],
    source: 'file',
  } as const

  it('is silent while everybody decides by the newest policy', () => {
    assert.equal(policyAlarm(well), undefined)
  })

  it('says each thing that is not as it should be', () => {
    const gateway = well.gateway
    assert.ok(gateway !== null)
    const cases: readonly (readonly [Partial<PolicyStatusView>, RegExp])[] = [
      [{ unreadable: true, in_force: null }, /cannot be read/],
      [{ in_force: null, gateway: null, executors: [] }, /every proposal is refused/],
      [{ gateway: { ...gateway, epoch: null, bundle_hash: null } }, /every proposal is refused/],
      [{ in_force: null }, /epoch 4 still decides/],
      [{ gateway: { ...gateway, refused } }, /changed policy file was refused\. Epoch 4 still/],
      [{ gateway: { ...gateway, refused: { ...refused, source: 'bundle' } } }, /newest policy was/],
      [{ in_force: { ...newest, sealed_by: 'unverified:bundle_seal' } }, /Nobody known here/],
      [{ gateway: null }, /Gateway has not said/],
      [{ gateway: { ...gateway, epoch: 3 } }, /Gateway decides by epoch 3\. The newest .* epoch 4/],
      [{ executors: [{ profile: 'x', policy: null }] }, /Executor x has no policy/],
      [
        { executors: [{ profile: 'x', policy: { epoch: 4, bundle_hash: hash('b') } }] },
        /Executor x decides by epoch 4/,
      ],
    ]
    for (const [change, words] of cases) {
      assert.match(policyAlarm({ ...well, ...change })?.title ?? '', words)
    }
  })

  it('follows each of those who decide to the bundle that was applied', () => {
    const wanted = { epoch: 5, bundle_hash: hash('c') }
    const states = takeUpOf(
      {
        ...well,
        gateway: { ...decides, refused, at: 1 },
        executors: [
          { profile: 'a', policy: wanted },
          { profile: 'b', policy: decides },
        ],
      },
      wanted,
    ).map(({ state }) => state)
    assert.deepEqual(states, ['refused', 'taken_up', 'older'])
  })
})

describe('the words', () => {
  it('keep names from files apart from the sentence', () => {
    const odd = '<b>'
    for (const finding of [
      { kind: 'shadowed', rule: odd, by: [odd] },
      { kind: 'conflict', rule: odd, other: odd, example: null },
      { kind: 'uncovered_tool', tool: odd },
      { kind: 'asserted_only', rule: odd, facts: ['agent'] },
      { kind: 'unanchored_regex', rule: odd, pattern: odd },
      { kind: 'confusable_tool', rule: odd, glob: odd },
      { kind: 'not_checked', rule: odd, question: 'conflict' },
    ] as const) {
      const { parts } = checkWords(finding)
      assert.ok(parts.every((part, at) => at % 2 === 1 || !part.includes(odd)))
      assert.ok(parts.length >= 2)
    }
  })

  it('name the person of a seal apart', () => {
    assert.deepEqual(sealWords('passkey:ada'), {
      text: 'sealed with the passkey of ',
      person: 'ada',
    })
    assert.equal(sealWords('unverified:bundle_seal').person, '')
  })
})
