import type { Answer } from '../ports/api.ts'
import type { Ports } from '../ports/ports.ts'
import type { EnrolFinish } from '../ports/shapes.ts'

export interface EnrolmentSecondStep {
  /** Second step: the approval passkey. */
  readonly finish: () => Promise<Answer<EnrolFinish>>
}

/** First step of the enrolment: the sign-in passkey. Gives the second step. */
export async function enrolLogin(
  { api, passkeys }: Pick<Ports, 'api' | 'passkeys'>,
  token: string,
  name: string,
): Promise<Answer<EnrolmentSecondStep>> {
  const begun = await api.enrolBegin(token, name)
  if (!begun.ok) return begun
  const { ceremony } = begun.value
  const made = await passkeys.create(begun.value.login_options)
  if (!made.ok) return made
  const next = await api.enrolLogin(ceremony, made.value)
  if (!next.ok) return next
  const finish = async (): Promise<Answer<EnrolFinish>> => {
    const approval = await passkeys.create(next.value.approval_options)
    return approval.ok ? api.enrolFinish(ceremony, approval.value) : approval
  }
  return { ok: true, value: { finish } }
}
