import { type Command, type Context, EXIT_USAGE, InputFault, UsageFault } from '../../command.ts'
import { jsonText } from '../audit-text.ts'
import { POLICY_CHECK } from './check.ts'
import { POLICY_DIFF } from './diff.ts'
import { POLICY_EXPLAIN } from './explain.ts'
import { findingJson, findingText, refusedFinding } from './finding-text.ts'
import { POLICY_REPLAY } from './replay.ts'
import { RefusedFault } from './sources.ts'
import { POLICY_TEST } from './tests.ts'

/**
 * Exit 1 is a finding, so whatever keeps these commands from looking ends with 2. What does not load
 * is shown with its places, not as one line.
 */
function guarded(command: Command): Command {
  return {
    ...command,
    run: async (context) => {
      try {
        return await command.run(context)
      } catch (error) {
        if (!(error instanceof RefusedFault)) throw asInputFault(error)
        showRefusal(context, error)
        return EXIT_USAGE
      }
    },
  }
}

function asInputFault(error: unknown): unknown {
  if (error instanceof UsageFault || !(error instanceof Error) || !('code' in error)) return error
  return new InputFault(String(error.code), error.message, { cause: error })
}

function showRefusal({ json, terminal }: Context, fault: RefusedFault): void {
  const { code, message, source } = fault
  const findings = fault.findings.map((finding) => refusedFinding(source, finding))
  if (json) {
    terminal.out(jsonText({ error: { code, message, findings: findings.map(findingJson) } }))
    return
  }
  for (const finding of findings) terminal.err(`${findingText(finding, terminal.style)}\n`)
}

export const POLICY_COMMANDS: readonly Command[] = [
  POLICY_CHECK,
  POLICY_TEST,
  POLICY_EXPLAIN,
  POLICY_DIFF,
  POLICY_REPLAY,
].map(guarded)
