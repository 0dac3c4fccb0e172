// oxlint-disable-next-line import/no-unassigned-import -- the bundler takes the style sheet from here
import './styles.css'
import { mountApprovalPage } from './app/mount-approval-page.tsx'
import { openApprovalPage, pageApi } from './ports/page-api.ts'
import { browserPasskeys } from './ports/passkeys.ts'

mountApprovalPage({
  // Behind the hash, and gone from the address before anything else happens.
  code: takeHash(),
  open: openApprovalPage,
  apiOf: pageApi,
  passkeys: browserPasskeys(),
  now: () => Date.now(),
})

function takeHash(): string {
  const code = location.hash.slice(1)
  history.replaceState(null, '', location.pathname)
  return code
}
