import type { JsonObject } from '@trustgw/protocol'

/** Protocol era that a client speaks: requests that stand alone, or sessions. */
export type Era = 'modern' | 'legacy'

/** What a tool answered, as a model sees it. */
export interface ToolAnswer {
  /** All text blocks, joined by line feeds. */
  readonly text: string
  readonly structured: Readonly<Record<string, unknown>>
  readonly isError: boolean
}

/** A real MCP client, whatever program it is: what tests ask of all of them alike. */
export interface ToolCaller {
  /** Names of the listed tools, in their order. */
  tools(): Promise<readonly string[]>
  call(name: string, args: JsonObject): Promise<ToolAnswer>
  close(): Promise<void>
}

/** Reads a `tools/call` result out of a client's own form of it. */
export function toolAnswer(result: unknown): ToolAnswer {
  const fields = record(result)
  return {
    text: texts(fields['content'], 'text').join('\n'),
    structured: record(fields['structuredContent']),
    isError: fields['isError'] === true,
  }
}

/** The texts under a name, of a list of objects. */
export function texts(list: unknown, name: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(list) ? list : []
  return items.flatMap((item) => {
    const value = record(item)[name]
    return typeof value === 'string' ? [value] : []
  })
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
