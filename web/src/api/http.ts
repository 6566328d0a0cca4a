/**
 * The one place that calls `fetch` for JSON. Holds the access token in memory only; the refresh token is an HttpOnly
 * cookie that scripts cannot read. A 401 is answered by one refresh shared by all waiting calls, then by `onSignedOut`.
 */
import { ServerClock } from '@/time/serverClock'
import { ApiError, networkError, problemOf } from './problem'
import type { Tokens } from './types'

export const API_ROOT = '/api/v1'
const REQUEST_TIMEOUT_MS = 30_000
/** A token is renewed this long before it ends, so that a request never starts with a dying one. */
const RENEW_BEFORE_MS = 60_000

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  json?: unknown
  body?: BodyInit
  headers?: Record<string, string>
  signal?: AbortSignal
  /** false for the calls that make or renew a session. */
  auth?: boolean
  timeoutMs?: number
  /** Outlives the page: for saying goodbye. */
  keepalive?: boolean
}

class Session {
  private accessToken: string | null = null
  private renewTimer: ReturnType<typeof setTimeout> | undefined
  private renewing: Promise<boolean> | null = null
  onSignedOut: () => void = () => undefined

  get signedIn(): boolean {
    return this.accessToken !== null
  }

  get bearer(): Record<string, string> {
    return this.accessToken === null ? {} : { Authorization: `Bearer ${this.accessToken}` }
  }

  adopt(tokens: Tokens): void {
    this.accessToken = tokens.access_token
    clearTimeout(this.renewTimer)
    const waitMs = Math.max(5_000, tokens.expires_in * 1000 - RENEW_BEFORE_MS)
    this.renewTimer = setTimeout(() => void this.renew(), Math.min(waitMs, 2 ** 31 - 1))
  }

  forget(): void {
    this.accessToken = null
    clearTimeout(this.renewTimer)
  }

  /** One renewal at a time, in this tab and (where the browser has locks) over all tabs. */
  renew(): Promise<boolean> {
    this.renewing ??= this.renewLocked().finally(() => {
      this.renewing = null
    })
    return this.renewing
  }

  private async renewLocked(): Promise<boolean> {
    const once = async (): Promise<boolean> => {
      try {
        this.adopt(await call<Tokens>('/auth/refresh', { method: 'POST', json: {}, auth: false }))
        return true
      } catch (error) {
        // A hub that is restarting is no reason to throw somebody out of a session.
        if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) this.forget()
        return false
      }
    }
    if (!('locks' in navigator)) return once()
    return navigator.locks.request('xiangyun-refresh', once)
  }
}

export const session = new Session()
export const serverClock = new ServerClock()
let language = 'zh-CN'

export function setRequestLanguage(tag: string): void {
  language = tag
}

function requestInit(options: CallOptions): RequestInit {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': language, ...options.headers }
  if (options.auth !== false) Object.assign(headers, session.bearer)
  const init: RequestInit = { method: options.method ?? 'GET', headers, credentials: 'same-origin', cache: 'no-store' }
  if (options.keepalive) init.keepalive = true
  if (options.json !== undefined) {
    headers['Content-Type'] = 'application/json'
    init.body = JSON.stringify(options.json)
  } else if (options.body !== undefined) {
    init.body = options.body
  }
  const limit = AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)
  init.signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit
  return init
}

async function send(path: string, options: CallOptions): Promise<Response> {
  const sentMs = Date.now()
  let response: Response
  try {
    response = await fetch(path.startsWith('/api/') ? path : API_ROOT + path, requestInit(options))
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw networkError(error)
  }
  const date = response.headers.get('Date')
  if (date !== null) serverClock.observe(Date.parse(date), sentMs, Date.now())
  return response
}

/** The raw answer of a successful call; every other outcome throws `ApiError` (or the caller's own abort). */
export async function fetchRaw(path: string, options: CallOptions = {}): Promise<Response> {
  let response = await send(path, options)
  if (response.status === 401 && options.auth !== false) {
    if (await session.renew()) response = await send(path, options)
    if (response.status === 401) {
      session.forget()
      session.onSignedOut()
    }
  }
  if (response.ok) return response
  const { headers, status } = response
  throw problemOf(status, await response.text(), headers.get('X-Trace-Id'), headers.get('Retry-After'))
}

export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await fetchRaw(path, options)
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

/** Follows `next_cursor` to the end; a county has at most some thousand rows of anything listed here. */
export async function callAll<T>(path: string, pageSize = 200): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const query: string = new URLSearchParams({ limit: String(pageSize), ...(cursor ? { cursor } : {}) }).toString()
    const page: { items: T[]; next_cursor?: string | null } = await call(`${path}${path.includes('?') ? '&' : '?'}${query}`)
    items.push(...page.items)
    cursor = page.next_cursor ?? null
  } while (cursor !== null)
  return items
}
