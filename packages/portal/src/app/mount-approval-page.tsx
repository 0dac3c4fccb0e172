import { StrictMode, Suspense } from 'react'
import { createRoot } from 'react-dom/client'
import { ApprovalPage } from '../pages/approval-page.tsx'
import { type ApprovalPagePorts, openPage } from '../state/approval-page.ts'
import { Waiting } from '../ui/notice.tsx'
import { applyTheme, storedTheme } from './theme.ts'

/** Renders the page of one approval into `#root`; it is opened once, by the code of its address. */
export function mountApprovalPage(ports: ApprovalPagePorts): void {
  const root = document.getElementById('root')
  if (root === null) throw new TypeError('the page has no #root')
  applyTheme(storedTheme())
  const opening = openPage(ports)
  createRoot(root).render(
    <StrictMode>
      <Suspense fallback={<Waiting text="Fetching the request…" page="Approval" />}>
        <ApprovalPage opening={opening} />
      </Suspense>
    </StrictMode>,
  )
}
