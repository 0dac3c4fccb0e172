/** What the listener tells of the connection. */
export type ApiEnv = { readonly Bindings: { readonly remoteAddress: string } }
