import { type ReactElement, useEffect, useRef } from 'react'

/** Roles as they are typed: separated by commas or spaces, each once. */
export function rolesOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,]+/).filter((role) => role !== ''))]
}

export function RolesField(props: {
  readonly text: string
  readonly setText: (text: string) => void
  readonly hasFocus?: boolean
}): ReactElement {
  const { text, setText, hasFocus = false } = props
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (hasFocus) field.current?.focus()
  }, [hasFocus])
  return (
    <div className="flex flex-col gap-1.5">
      <label className="flex flex-col gap-1.5 font-semibold">
        Roles
        <input
          ref={field}
          className="field font-normal"
          maxLength={500}
          autoCapitalize="none"
          aria-describedby="roles-help"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <p id="roles-help" className="text-soft">
        With commas between. <code className="data">admin</code> governs;{' '}
        <code className="data">auditor</code> reads everything and decides nothing;{' '}
        <code className="data">viewer</code> sees no arguments. Any other is a role of approvers, as
        policy names it.
      </p>
    </div>
  )
}
