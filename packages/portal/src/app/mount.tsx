import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import type { Ports } from '../ports/ports.ts'
import { Portal } from '../state/portal.ts'
import { App } from './app.tsx'
import { PortalContext } from './context.ts'
import { applyTheme, storedTheme } from './theme.ts'

/** Renders the portal over the given ports into `#root`. */
export function mountPortal(ports: Ports): void {
  const root = document.getElementById('root')
  if (root === null) throw new TypeError('the page has no #root')
  applyTheme(storedTheme())
  const portal = new Portal(ports)
  void portal.start()
  createRoot(root).render(
    <StrictMode>
      <PortalContext value={portal}>
        <App />
      </PortalContext>
    </StrictMode>,
  )
}
