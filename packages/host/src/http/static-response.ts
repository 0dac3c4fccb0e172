import { problemResponse } from './reply.ts'
import type { StaticFiles } from './static-files.ts'

const DOCUMENT = '/index.html'
/** The pages of the portal: each is the one document, which reads the address itself. */
const PAGES: readonly RegExp[] = [
  /^\/$/,
  /^\/(?:approvals|activity|outcomes|tools|agents|policy|emergency|people|account|installation|enrol|device)$/,
  /^\/approvals\/[a-z0-9_]{1,64}$/,
  /^\/people\/[a-z0-9-]{1,31}$/,
]

/** The file behind a path of the portal. */
export function portalFile(path: string): string {
  return PAGES.some((page) => page.test(path)) ? DOCUMENT : path
}

/** The same on the origin of approvals, which has one page and what that is made of. */
export function approvalPageFile(path: string): string {
  if (path === '/approve') return '/approve.html'
  return path.startsWith('/assets/') || path === '/mark.svg' ? path : ''
}

/** What of a request decides over the answer. */
export interface StaticRequest {
  readonly path: string
  readonly ifNoneMatch: string | null
  readonly acceptEncoding: string | null
}

/** The file at exactly this path, else a refusal. */
export function staticResponse(files: StaticFiles, request: StaticRequest): Response {
  if (files.size === 0) return problemResponse({ reason: 'portal_not_built' })
  const { path, ifNoneMatch, acceptEncoding } = request
  const file = files.get(path)
  if (file === undefined) return problemResponse({ reason: 'not_found' })
  const isSmaller = file.gzip !== undefined && takesGzip(acceptEncoding)
  const etag = isSmaller ? file.etag.replace(/"$/, '.gz"') : file.etag
  const headers = {
    'Cache-Control': file.cacheControl,
    ETag: etag,
    ...(file.gzip === undefined ? {} : { Vary: 'Accept-Encoding' }),
  }
  if (isSame(etag, ifNoneMatch)) return new Response(null, { status: 304, headers })
  const bytes = isSmaller ? file.gzip : file.bytes
  return new Response(bytes, {
    status: 200,
    headers: {
      ...headers,
      'Content-Type': file.type,
      'Content-Length': String(bytes.length),
      ...(isSmaller ? { 'Content-Encoding': 'gzip' } : {}),
    },
  })
}

/** RFC 9110 §12.5.3, as far as it is about gzip: named, and not with a weight of nothing. */
function takesGzip(acceptEncoding: string | null): boolean {
  return (acceptEncoding ?? '').split(',').some((coding) => {
    const [name = '', weight = ''] = coding.split(';').map((part) => part.trim().toLowerCase())
    return name === 'gzip' && !/^q=0(?:\.0*)?$/.test(weight)
  })
}

function isSame(etag: string, ifNoneMatch: string | null): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag)
}
