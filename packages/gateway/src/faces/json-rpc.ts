/**
 * An error of the MCP endpoint below the protocol, as JSON-RPC without an id; `data.code` is the
 * stable code, as in problem details.
 */
export function jsonRpcError(
  status: number,
  rpcCode: number,
  message: string,
  code: string,
  more: { readonly allow?: string; readonly detail?: string } = {},
): Response {
  const data = more.detail === undefined ? { code } : { code, detail: more.detail }
  const body = { jsonrpc: '2.0', error: { code: rpcCode, message, data }, id: null }
  return Response.json(body, {
    status,
    headers: more.allow === undefined ? {} : { allow: more.allow },
  })
}
