import {
  definitionOf,
  SETTING_KEYS,
  SETTINGS_FILE_VARIABLE,
  type SettingKey,
} from './definition.ts'
import type { SettingDefinition } from './kind.ts'
import { kindInWords } from './values.ts'

/** The configuration reference as Markdown, from the one definition. */
export function settingsReference(): string {
  const head = [
    '# Configuration reference',
    '',
    'Settings stand in `trustgw.toml`; an environment variable wins over the file. Unknown names',
    'are refused. Without a mode it is production. The file is found in the state folder, or where',
    `\`${SETTINGS_FILE_VARIABLE}\` says.`,
    '',
  ]
  return [...head, ...sections().flatMap(sectionLines)].join('\n')
}

interface Section {
  readonly name: string
  readonly keys: readonly SettingKey[]
}

function sections(): readonly Section[] {
  const byName = new Map<string, SettingKey[]>()
  for (const key of SETTING_KEYS) {
    const name = key.includes('.') ? (key.split('.')[0] ?? '') : ''
    byName.set(name, [...(byName.get(name) ?? []), key])
  }
  return [...byName].map(([name, keys]) => ({ name, keys }))
}

function sectionLines(section: Section): readonly string[] {
  const title = section.name === '' ? '## General' : `## [${section.name}]`
  const head = '| setting | variable | value | default | used by | meaning |'
  return [title, '', head, '| --- | --- | --- | --- | --- | --- |', ...section.keys.map(row), '']
}

function row(key: SettingKey): string {
  const definition = definitionOf(key)
  const meaning = definition.developmentOnly === true ? 'Development only. ' : ''
  const cells = [
    `\`${key}\``,
    `\`${definition.env}\``,
    kindInWords(definition),
    defaultInWords(definition),
    definition.usedBy,
    `${meaning}${definition.text}`,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function defaultInWords(definition: SettingDefinition): string {
  const standard = definition.default === '' ? 'empty' : `\`${String(definition.default)}\``
  if (definition.development === undefined) return standard
  return `${standard} (development: \`${String(definition.development)}\`)`
}
