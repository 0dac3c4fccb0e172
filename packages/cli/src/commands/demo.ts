import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, type Context, EXIT_FAILED, UsageFault } from '../command.ts'

/** Plays the story and the attacks; its parts are in the source checkout only. */
export const DEMO: Command = {
  name: 'demo',
  text: 'play the story and the attacks against a fresh system',
  usage: 'demo [--keep]',
  flags: { keep: { type: 'boolean', text: 'keep the state folder and say where it is' } },
  examples: ['trustgw demo', 'trustgw demo --json'],
  run: demo,
}

async function demo(context: Context): Promise<number> {
  const script = join(context.root, 'scripts/demo.mjs')
  try {
    await stat(script)
  } catch {
    throw new UsageFault(
      'the demo needs a source checkout: clone the project and run "npm run demo" there',
    )
  }
  const flags = [
    ...(context.json ? ['--json'] : []),
    ...(context.flags['keep'] === true ? ['--keep'] : []),
  ]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...flags], { stdio: 'inherit' })
    child.once('error', () => resolve(EXIT_FAILED))
    child.once('exit', (code) => resolve(code ?? EXIT_FAILED))
  })
}
