import { problemResponse } from './reply.ts'
import type { StaticFile, StaticFiles } from './static-files.ts'

const DOCUMENT = '/index.html'
/** The pages of the portal: each is the one document, which reads the address itself. */
const PAGES: readonly RegExp[] = [
  /^\/$/,
  /^\/(?:approvals|activity|outcomes|tools|agents|policy|emergency|people|account|installation|enrol|device)$/,
  /^\/approvals\/[a-z0-9_]{1,64}$/,
  /^\/people\/[a-z0-9-]{1,31}$/,
]

/** The file at exactly this path, the document for a page of the portal, else a refusal. */
export function staticResponse(
  files: StaticFiles,
  path: string,
  ifNoneMatch: string | null,
): Response {
  if (files.size === 0) return problemResponse({ reason: 'portal_not_built' })
  const isPage = PAGES.some((page) => page.test(path))
  const file = files.get(isPage ? DOCUMENT : path)
  if (file === undefined) return problemResponse({ reason: 'not_found' })
  return isSame(file, ifNoneMatch) ? notModified(file) : whole(file)
}

function isSame(file: StaticFile, ifNoneMatch: string | null): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(file.etag)
}

function whole(file: StaticFile): Response {
  return new Response(file.bytes, {
    status: 200,
    headers: {
      'Content-Type': file.type,
      'Content-Length': String(file.bytes.length),
      'Cache-Control': file.cacheControl,
      ETag: file.etag,
    },
  })
}

function notModified(file: StaticFile): Response {
  const headers = { 'Cache-Control': file.cacheControl, ETag: file.etag }
  return new Response(null, { status: 304, headers })
}
