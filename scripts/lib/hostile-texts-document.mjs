// The list of hostile texts with how each place shows them. A further place is one more line in RENDERERS.
import { textRendering } from '../../packages/card/dist/test/text-rendering.js'
import { chatRendering } from '../../packages/host/dist/test/support/chat-rendering.js'
import { portalRendering } from '../../packages/portal/dist/test/double/portal-rendering.js'

const RENDERERS = [
  ['Portal', portalRendering],
  ['Terminal', textRendering],
  ['Telegram', chatRendering],
  ['Slack', chatRendering],
]
const SHOWN_MAX_CHARS = 200

/** The Markdown of docs/hostile-texts.md. */
export function hostileTexts(texts) {
  const lines = [
    '# Hostile texts',
    '',
    '<!-- Made by scripts/generate-docs.mjs from packages/testkit/src/hostile-texts.ts; do not edit. -->',
    '',
    'What agents and tools may write to deceive whoever decides, and what is shown of it. The tests render each',
    'text in every field that reaches a card in a real browser and compare the argument with what stands here.',
    '`⏎` is a line break, `…` a cut in this document only.',
  ]
  for (const { name, aim, text } of texts) {
    lines.push('', `## ${name}`, '', `It ${aim}.`, '', `- written: ${code(escaped(text))}`)
    for (const [place, render] of RENDERERS) {
      const { shown, said } = render(text)
      lines.push(`- ${place} shows: ${code(shown)}`)
      for (const remark of said) lines.push(`  - says: ${code(remark)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function escaped(text) {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll(/[^\x20-\x7e]/gu, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`)
}

function code(text) {
  const line = text.replaceAll('\n', '⏎')
  const points = Array.from(line)
  const cut =
    points.length <= SHOWN_MAX_CHARS ? line : `${points.slice(0, SHOWN_MAX_CHARS).join('')}…`
  return `\`\` ${cut.replaceAll('``', "''")} \`\``
}
