/** What somebody should know before deciding; `alarm` says that something pretends to be another thing. */
export interface Finding {
  readonly tone: 'alarm' | 'care' | 'note'
  readonly text: string
}

export function alarm(text: string): Finding {
  return { tone: 'alarm', text }
}

export function care(text: string): Finding {
  return { tone: 'care', text }
}

export function note(text: string): Finding {
  return { tone: 'note', text }
}
