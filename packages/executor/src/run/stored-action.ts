import { type ActionId, parseActionId } from '@trustgw/protocol'

/** The action of a key of `executions`: the reverse of `storedKey` for an id of ours. */
export function actionOf(key: string): ActionId | undefined {
  const encoded = key.slice(key.indexOf('.') + 1)
  const parsed = parseActionId(encoded.replaceAll('-5f', '_'))
  return parsed.ok ? parsed.value : undefined
}
