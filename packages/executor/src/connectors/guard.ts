/**
 * The leader of a connector's process group. It shares standard streams with the upstream and keeps
 * a channel to the executor: when that closes, for whatever reason, the whole group is killed, so
 * an upstream with credentials never outlives the process that may stop it.
 *
 * `guard.js module FILE ARGS…` runs a JavaScript file in this very process (one process less),
 * `guard.js command FILE ARGS…` runs a program below it.
 */
import { spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'

const [, , mode, file, ...args] = process.argv

function killGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.exit(1)
  }
}

process.on('disconnect', killGroup)
process.channel?.unref()

if (file === undefined || process.channel === undefined) {
  process.exit(2)
} else if (mode === 'module') {
  process.argv = [process.execPath, file, ...args]
  await import(pathToFileURL(file).href)
} else {
  const child = spawn(file, args, { stdio: 'inherit' })
  child.on('error', killGroup)
  child.on('exit', killGroup)
  process.stdin.pause()
}
