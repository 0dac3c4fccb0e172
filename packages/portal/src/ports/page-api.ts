import { type Answer, type Api, httpApi } from './api.ts'
import { Caller } from './caller.ts'
import { type OpenedPage, openedPageShape } from './shapes.ts'

/** Takes the code that the portal gave for one approval; it counts once. */
export function openApprovalPage(code: string): Promise<Answer<OpenedPage>> {
  return new Caller().post('/api/page', { code }, openedPageShape)
}

/** The API of the origin of approvals: one approval, by the ticket of its page. There is no list there. */
export function pageApi({ action_id, ticket }: OpenedPage): Api {
  const api = httpApi(ticket)
  return {
    ...api,
    actions: () => Promise.resolve(NO_ACTIONS),
    approvals: async () => {
      const shown = await api.approval(action_id)
      if (!shown.ok) return shown
      const { request, state } = shown.value
      return { ok: true, value: { approvals: state === 'pending_approval' ? [request] : [] } }
    },
  }
}

const NO_ACTIONS: Awaited<ReturnType<Api['actions']>> = {
  ok: true,
  value: { actions: [], whole: true },
}
