import {
  type Doubt,
  diffPolicies,
  type PolicyDiff,
  type Region,
  type RegionLine,
} from '@trustgw/core'
import type { JsonObject } from '@trustgw/protocol'
import { type Command, type Context, EXIT_DONE, EXIT_FAILED } from '../../command.ts'
import { type Style, visible } from '../../terminal.ts'
import { jsonText } from '../audit-text.ts'
import { DEVELOPMENT_FLAG, LAYER_FLAG, layerOf, loadPolicy, operands } from './sources.ts'
import { decidedText, exampleText, lineText, mark, sideJson } from './words.ts'

export const POLICY_DIFF: Command = {
  name: 'policy diff',
  text: 'show what a new policy lets through that the old one did not',
  usage: 'policy diff OLD NEW [--layer LAYER] [--development]',
  flags: { ...LAYER_FLAG, ...DEVELOPMENT_FLAG },
  examples: [
    'trustgw policy diff policy.toml policy.new.toml',
    'git show HEAD:policy.toml | trustgw policy diff - policy.toml --json',
  ],
  run: diff,
}

/** Narrower regions that a text names; JSON has all. */
const NARROWER_SHOWN_MAX = 10

async function diff(context: Context): Promise<number> {
  const [oldFile = '', newFile = ''] = operands(context, ['OLD', 'NEW'])
  const layer = layerOf(context)
  const old = await loadPolicy(context, oldFile, layer)
  const next = await loadPolicy(context, newFile, layer)
  const found = diffPolicies(old.compiled, next.compiled)
  // What the new policy takes away is what the old one would let through beside it.
  const back = found.verdict === 'same' ? null : diffPolicies(next.compiled, old.compiled)
  const files = { old: old.source.file, new: next.source.file }
  if (context.json) {
    context.terminal.out(jsonText({ ...files, layer, ...diffJson(found, back) }))
  } else {
    for (const line of diffLines(found, back, context.terminal.style)) context.terminal.out(line)
  }
  return found.verdict === 'widens' || found.verdict === 'may_widen' ? EXIT_FAILED : EXIT_DONE
}

const lineJson = ({ line, truth }: RegionLine): JsonObject => ({ line, truth })

const regionJson = ({ before, after, lines, example }: Region): JsonObject => ({
  before: sideJson(before),
  after: sideJson(after),
  lines: lines.map(lineJson),
  example: { ...example },
})

const doubtJson = ({ why, lines }: Doubt): JsonObject => ({ why, lines: lines.map(lineJson) })

function diffJson(found: PolicyDiff, back: PolicyDiff | null): JsonObject {
  return {
    verdict: found.verdict,
    widens: found.widens.map(regionJson),
    doubts: found.doubts.map(doubtJson),
    narrows: (back?.widens ?? []).map(turned).map(regionJson),
  }
}

/** A region found the other way round, in the direction of the comparison. */
const turned = (region: Region): Region => ({
  ...region,
  before: region.after,
  after: region.before,
})

const VERDICTS = {
  same: 'The same: no decision differs.',
  narrower: 'Narrower: nothing is let through that was not.',
  widens: 'Wider.',
  may_widen: 'May be wider: this could not be ruled out.',
} as const

function diffLines(found: PolicyDiff, back: PolicyDiff | null, style: Style): readonly string[] {
  const isBad = found.verdict === 'widens' || found.verdict === 'may_widen'
  const paint = isBad ? style.bad : style.good
  const narrows = (back?.widens ?? []).map(turned)
  return [
    style.bold(paint(VERDICTS[found.verdict])),
    ...found.widens.flatMap((region, index) => regionLines(region, index, style)),
    ...found.doubts.flatMap((one) => doubtLines(one, style)),
    ...narrowerLines(narrows, style),
  ]
}

function regionLines(region: Region, index: number, style: Style): readonly string[] {
  return [
    '',
    `${style.bad(`${index + 1}.`)} ${style.bold(`${decidedText(region.before)} → ${decidedText(region.after)}`)}`,
    ...region.lines.map(({ line, truth }) => `     ${mark(truth, style)} ${lineText(line)}`),
    `   ${style.dim('for example:')} ${exampleText(region.example)}`,
  ]
}

function doubtLines({ why, lines }: Doubt, style: Style): readonly string[] {
  return [
    '',
    `${style.warn('?')} ${style.bold(`may widen: ${visible(why)}`)}`,
    ...lines.map(({ line, truth }) => `     ${mark(truth, style)} ${lineText(line)}`),
  ]
}

function narrowerLines(narrows: readonly Region[], style: Style): readonly string[] {
  if (narrows.length === 0) return []
  const more = narrows.length - NARROWER_SHOWN_MAX
  return [
    '',
    style.bold(`Narrower in ${narrows.length} way${narrows.length === 1 ? '' : 's'}:`),
    ...narrows
      .slice(0, NARROWER_SHOWN_MAX)
      .map(
        ({ before, after, example }) =>
          `   ${decidedText(before)} → ${decidedText(after)}, ${style.dim('for example:')} ${exampleText(example)}`,
      ),
    ...(more > 0 ? [style.dim(`   … and ${more} more; --json lists all`)] : []),
  ]
}
