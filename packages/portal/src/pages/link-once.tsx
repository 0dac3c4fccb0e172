import { type ReactElement, useEffect, useRef } from 'react'
import type { LinkGiven } from '../ports/people-shapes.ts'
import { Notice } from '../ui/notice.tsx'

/** A link that is kept nowhere: who leaves the page makes another one. */
export function LinkOnce({ given }: { readonly given: LinkGiven }): ReactElement {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.select(), [])
  return (
    <Notice tone="good" title={`The link for ${given.person}, shown only now`}>
      <label className="flex flex-col gap-1.5">
        It works once, until {new Date(given.expires_at).toLocaleTimeString()}.
        <input ref={field} readOnly className="field data" value={given.link} />
      </label>
    </Notice>
  )
}
