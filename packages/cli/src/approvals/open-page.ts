import { spawn } from 'node:child_process'
import type { Context } from '../command.ts'

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: 'open',
  linux: 'xdg-open',
}

/**
 * Opens a page in the person's browser where a person sits and a browser can be: not in a pipe, not
 * without a display, not with `--no-open`. Whether a page came up is not known.
 */
export function openPage(context: Context, url: string): boolean {
  const { invocation, terminal, flags, json } = context
  const opener = OPENERS[process.platform]
  const { DISPLAY, WAYLAND_DISPLAY } = invocation.env
  const hasDisplay =
    process.platform === 'darwin' || DISPLAY !== undefined || WAYLAND_DISPLAY !== undefined
  const isWanted = terminal.interactive && !json && flags['no-open'] !== true
  if (opener === undefined || !hasDisplay || !isWanted) return false
  const child = spawn(opener, [url], { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined)
  child.unref()
  return true
}
