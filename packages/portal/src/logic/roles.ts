/**
 * Whether somebody may read requests, tools, policy and people: not who is a viewer and nothing else
 * (spec/protocol.md §8). The host judges by itself; here it is about which ways are shown.
 */
export function mayRead(person: { readonly roles: readonly string[] } | undefined): boolean {
  return person?.roles.some((role) => role !== 'viewer') ?? false
}

/** Whether somebody may decide on requests at all; who is asked is judged by the request's clauses. */
export function mayDecide(person: { readonly roles: readonly string[] } | undefined): boolean {
  return person?.roles.some((role) => role !== 'viewer' && role !== 'auditor') ?? false
}
