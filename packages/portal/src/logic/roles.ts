/**
 * Whether somebody may read requests, tools, policy and people: not who is a viewer and nothing else
 * (spec/protocol.md §8). The host judges by itself; here it is about which ways are shown.
 */
export function mayRead(person: { readonly roles: readonly string[] } | undefined): boolean {
  return person?.roles.some((role) => role !== 'viewer') ?? false
}
