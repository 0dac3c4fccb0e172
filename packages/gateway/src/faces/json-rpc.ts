export interface JsonRpcRefusal {
  /** Of HTTP. */
  readonly status: number
  readonly rpcCode: number
  readonly message: string
  readonly code: string
  readonly detail?: string
  readonly allow?: string
}

/**
 * An error of the MCP endpoint below the protocol, as JSON-RPC without an id; `data.code` is the
 * stable code, as in problem details.
 */
export function jsonRpcError(refusal: JsonRpcRefusal): Response {
  const { status, rpcCode, message, code, detail, allow } = refusal
  const data = detail === undefined ? { code } : { code, detail }
  const body = { jsonrpc: '2.0', error: { code: rpcCode, message, data }, id: null }
  return Response.json(body, { status, headers: allow === undefined ? {} : { allow } })
}
