import { type ComponentType, type ReactElement, useEffect, useState } from 'react'
import { Blank, Waiting } from '../ui/notice.tsx'

/** The policy page is the largest and the one least often opened: it is fetched when it is. */
export function PolicyChunk(): ReactElement {
  const [page, setPage] = useState<{ readonly Page: ComponentType } | 'failed' | undefined>()
  useEffect(() => {
    let isHere = true
    const take = (next: { readonly Page: ComponentType } | 'failed'): void => {
      if (isHere) setPage(next)
    }
    import('../pages/policy/policy-page.tsx').then(
      ({ PolicyPage }) => take({ Page: PolicyPage }),
      () => take('failed'),
    )
    return () => {
      isHere = false
    }
  }, [])
  if (page === undefined) return <Waiting text="Fetching the policy…" page="Policy" />
  if (page !== 'failed') return <page.Page />
  return (
    <Blank title="This page could not be fetched" page="Policy">
      <p>The server may have been updated.</p>
      <button type="button" className="button mt-5" onClick={() => location.reload()}>
        Reload
      </button>
    </Blank>
  )
}
