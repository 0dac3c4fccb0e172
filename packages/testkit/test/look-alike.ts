import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type ApprovalRequest,
  approvalRequestShape,
  approvalStatement,
  contractHash,
  hashText,
  parseJsonObject,
  preconditionHash,
  readShape,
  statementHash,
  type Verdict,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { Page } from 'playwright-core'

/** A site that is not the portal. It may be on the same host name, on another port. */
export interface LookAlike {
  readonly port: number
  close(): Promise<void>
}

/** Answers every path with one empty page, or with what `html` says. */
export async function openLookAlike(html = '<title>Trust Gateway</title>'): Promise<LookAlike> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(html)
  })
  await new Promise<void>((resolve) => server.listen(0, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** What the host adds to an approval for one ceremony. */
export interface Begun {
  readonly approver: string
  readonly nonce: string
  readonly decide_by: number
  readonly run_by: number
  readonly credential_ids: readonly string[]
}

/** Calls the host as the page does, with the person's cookies: whoever phishes well has them too. */
export class HostCalls {
  readonly #page: Page
  readonly #origin: string

  constructor(page: Page, origin: string) {
    this.#page = page
    this.#origin = origin
  }

  async begin(id: string): Promise<Begun> {
    const answer = await this.post(`/api/approvals/${id}/begin`, {})
    assert.equal(answer.status, 200, answer.code)
    return answer.json as unknown as Begun
  }

  /** The challenge over exactly this action. */
  async challenge(id: string, begun: Begun, verdict: Verdict = 'approve'): Promise<string> {
    const answer = await this.#page.request.get(`${this.#origin}/api/approvals/${id}`)
    const {
      state: _state,
      given: _given,
      ...rest
    } = (await answer.json()) as Record<string, unknown>
    const parsed = parseJsonObject(JSON.stringify(rest), { maxBytes: 4_194_304, maxDepth: 80 })
    assert.ok(parsed.ok)
    const read = readShape(approvalRequestShape, parsed.value)
    assert.ok(read.ok)
    const request: ApprovalRequest = read.value
    const computed = {
      contract_hash: contractHash(sha256, request.contract),
      input_hash: hashText(sha256, request.arguments),
      precondition_hash: preconditionHash(sha256, request.precondition),
    }
    const hash = statementHash(sha256, approvalStatement(request, computed, { ...begun, verdict }))
    return Buffer.from(hash.slice('sha256:'.length), 'hex').toString('base64url')
  }

  async post(
    path: string,
    body: object,
  ): Promise<{ readonly status: number; readonly code: string; readonly json: object }> {
    const answer = await this.#page.request.post(`${this.#origin}${path}`, {
      data: body,
      headers: { origin: this.#origin },
    })
    const json = (await answer.json()) as { readonly code?: string }
    return { status: answer.status(), code: json.code ?? '', json }
  }
}

/** What the device signs for the page that is open; the name of the browser's error if it signs nothing. */
export function askDevice(page: Page, challenge: string, ids: readonly string[]): Promise<unknown> {
  return page.evaluate(`(async (text, allowed) => {
    const bytes = (from) =>
      Uint8Array.from(atob(from.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
    try {
      const got = await navigator.credentials.get({
        publicKey: {
          challenge: bytes(text),
          rpId: 'localhost',
          userVerification: 'required',
          allowCredentials: allowed.map((id) => ({ type: 'public-key', id: bytes(id) })),
        },
      })
      return got.toJSON()
    } catch (error) {
      return error.name
    }
  })(${JSON.stringify(challenge)}, ${JSON.stringify(ids)})`)
}
