import { setMaxListeners } from 'node:events'

/** Ends the pauses of everything in hand at once: as many listen as there are actions, which is no leak. */
export function stopController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
