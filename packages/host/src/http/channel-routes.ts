import { objectShape, type Shape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { Channels } from '../channels/channels.ts'
import { type ChatName, chatField } from '../people/person.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'
import { refused } from './problem.ts'

const linkBody: Shape<{ readonly channel: ChatName }> = objectShape({ channel: chatField })

/** A person's own chats. To link one is a way to decide more, and takes level 5; to end it does not. */
export function channelRoutes(
  api: Hono<ApiEnv>,
  deps: { readonly channels: Channels },
  signedIn: SignedIn,
): void {
  api.get(
    '/channels',
    signedIn((_, session) => Promise.resolve({ json: deps.channels.links.list(session) })),
  )
  api.post(
    '/channels/link',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, linkBody)
      if (!body.ok) return body
      const answer =
        objectionToStale(session) ?? deps.channels.links.begin(session, body.value.channel)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.delete(
    '/channels/:channel',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const channel = chatField.read(c.req.param('channel') ?? '')
      if (!channel.ok) return refused('not_found')
      const answer = await deps.channels.links.unlink(session, channel.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
