import { readFile } from 'node:fs/promises'
import { compilePolicy, findingText, joinLayers, parsePolicy } from '@trustgw/core'
import type { Sha256 } from '@trustgw/protocol'
import type { PolicyInForce } from './evaluator.ts'

/** A policy that is not taken into force, with everything that is wrong with it. */
export class PolicyFault extends Error {
  readonly code = 'policy_refused'
  readonly findings: readonly string[]
  constructor(file: string, findings: readonly string[]) {
    super(`${file} is refused:\n${findings.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'PolicyFault'
    this.findings = findings
  }
}

/** Loads and compiles the platform policy; `PolicyFault` when anything in it is wrong. */
export async function loadPolicy(
  file: string,
  options: { readonly sha256: Sha256; readonly development: boolean },
): Promise<PolicyInForce> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new PolicyFault(file, [
      `it cannot be read (${codeOf(error)}): write one, or run trustgw init`,
    ])
  }
  const parsed = parsePolicy(text, { file, development: options.development })
  if (!parsed.ok) throw new PolicyFault(file, parsed.findings.map(findingText))
  const layers = joinLayers([compilePolicy(parsed.value, options.sha256)], options.sha256)
  return { epoch: 1, layersFor: () => layers }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
