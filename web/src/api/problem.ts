/** RFC 9457 problem documents as a typed error: every failed call ends as one of these, with words for a person. */

export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    /** Stable machine word, e.g. `camera_offline`; `network` when no answer came, `http_<status>` when it had none. */
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly traceId: string | null,
    readonly retryAfterS: number | null = null,
    readonly context: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail || title || code)
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** `Retry-After` in seconds; dates are not used by the hub. */
export function retryAfterS(header: string | null): number | null {
  if (header === null || !/^\d+$/.test(header.trim())) return null
  return Number(header.trim())
}

/** Reads a problem document; anything else (a proxy's HTML page, an empty body) still becomes a usable error. */
export function problemOf(status: number, body: string, traceHeader: string | null, retryAfter: string | null): ApiError {
  let doc: Record<string, unknown> = {}
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null) doc = parsed as Record<string, unknown>
  } catch {
    doc = {}
  }
  return new ApiError(
    text(doc['code']) || `http_${status}`,
    status,
    text(doc['title']),
    text(doc['detail']),
    text(doc['trace_id']) || traceHeader,
    retryAfterS(retryAfter),
    doc,
  )
}

export function networkError(cause: unknown): ApiError {
  return new ApiError('network', 0, '', cause instanceof Error ? cause.message : '', null)
}
