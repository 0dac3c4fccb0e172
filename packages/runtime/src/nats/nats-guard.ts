import { spawn } from 'node:child_process'

/**
 * Entry of the guard process: runs `argv[2] argv[3]...` and ends it when its own parent is gone,
 * which the kernel tells by closing the IPC channel, also after SIGKILL. Used only where the system
 * has no way to tie a child to its parent's life.
 */
const KILL_AFTER_MS = 5_000
const [, , binary = '', ...args] = process.argv
const child = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'], env: {} })

function end(): void {
  child.kill('SIGTERM')
  setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref()
}

child.on('error', () => process.exit(1))
child.on('exit', (code) => process.exit(code ?? 1))
process.on('disconnect', end)
process.on('SIGTERM', end)
process.on('SIGINT', end)
if (child.pid !== undefined) process.send?.({ pid: child.pid })
