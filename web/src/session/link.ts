/**
 * The line to the hub: a WebSocket with requests and answers, hello, resume to the same seat, back-off and a heartbeat.
 * Knows nothing of media or rooms. What the line says is handed to `LinkListener`; a request that was under way when the
 * line broke fails with `link_lost`, and its caller decides whether to ask again.
 */
import { backoffMs } from '@/api/backoff'
import { PROTOCOL_VERSION, type Answer, type IceServer, type ServerEvent, type Welcome } from './protocol'
import { isFinal, SessionError } from './sessionError'

export interface Ticket {
  token: string
  session_url: string
  ice_servers?: IceServer[]
}

export type LinkState =
  | { kind: 'idle' }
  | { kind: 'connecting'; attempt: number }
  | { kind: 'open' }
  | { kind: 'waiting'; attempt: number; retryAtMs: number; code: string }
  | { kind: 'ended'; code: string; message: string }

export interface LinkListener {
  onState(state: LinkState): void
  onWelcome(welcome: Welcome): void
  onEvent(event: ServerEvent): void
  /** A seat that can be come back to, to be remembered by the page. */
  onResumable?(resumeToken: string | null): void
}

/** What is used of a WebSocket, so that tests need none. */
export interface SocketLike {
  readyState: number
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

export interface LinkOptions {
  /** Asks the hub for a fresh token; rejects with an error whose `code` says why not. */
  ticket: () => Promise<Ticket>
  resumeToken?: string | null
  makeSocket?: (url: string) => SocketLike
  /** Where the page came from; `window.location` when absent. */
  page?: { protocol: string; host: string }
  random?: () => number
}

interface Waiter {
  resolve: (answer: Answer) => void
  reject: (error: SessionError) => void
  timer: ReturnType<typeof setTimeout>
}

const OPEN = 1
const ANSWER_LIMIT_MS = 15_000
const PING_EVERY_MS = 10_000
/** Nothing at all for this long, although pings ask for answers: the line is dead. */
const SILENCE_LIMIT_MS = 25_000
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 8_000
/** Close codes that say what happened when no `closing` message came before them. */
const CLOSE_CODES: Record<number, string> = { 4000: 'replaced', 4003: 'revoked' }

/** The token goes in the first message, not in an address that logs would keep. */
export function sessionUrl(url: string, page: { protocol: string; host: string }): string {
  const absolute = new URL(url, `${page.protocol}//${page.host}`)
  absolute.protocol = absolute.protocol === 'https:' || absolute.protocol === 'wss:' ? 'wss:' : 'ws:'
  absolute.searchParams.delete('token')
  return absolute.toString()
}

export class SessionLink {
  private socket: SocketLike | null = null
  private waiters = new Map<number, Waiter>()
  private lastId = 0
  private attempt = 0
  private resumeToken: string | null
  private sessionPath: string | null = null
  private ended = false
  private closing: { code: string; message: string; can_resume: boolean } | null = null
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private pingTimer: ReturnType<typeof setInterval> | undefined
  private heardMs = 0
  /** Round trip of the signalling line, ms. */
  rttMs: number | null = null

  constructor(
    private readonly options: LinkOptions,
    private readonly listener: LinkListener,
  ) {
    this.resumeToken = options.resumeToken ?? null
  }

  start(): void {
    void this.connect()
  }

  /** Something changed for the better (the network is back): do not sit out the wait. */
  retryNow(): void {
    if (this.ended || this.socket !== null) return
    clearTimeout(this.retryTimer)
    this.attempt = 0
    void this.connect()
  }

  /** Says goodbye; the seat is given up. */
  async leave(): Promise<void> {
    if (this.socket?.readyState === OPEN && !this.ended) await this.request('leave', {}, 1_500).catch(() => undefined)
    this.end('left', '')
  }

  /** The line goes at once; the seat stays for its minute. */
  drop(): void {
    this.ended = true
    this.detach('left')
    clearTimeout(this.retryTimer)
  }

  /** Gives up the session but not the wish: the next connection takes a fresh token. */
  startAfresh(): void {
    if (this.ended) return
    this.resumeToken = null
    this.detach('link_lost')
    this.retryLater('restarted')
  }

  request<T extends Answer = Answer>(type: string, fields: object, limitMs = ANSWER_LIMIT_MS): Promise<T> {
    const { socket } = this
    if (socket?.readyState !== OPEN) return Promise.reject(new SessionError('link_lost'))
    const id = (this.lastId += 1)
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(id)
        reject(new SessionError('timeout', type))
      }, limitMs)
      this.waiters.set(id, { resolve: resolve as (answer: Answer) => void, reject, timer })
      socket.send(JSON.stringify({ type, id, ...fields }))
    })
  }

  /** For what needs no answer. */
  notify(type: string, fields: object): void {
    if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify({ type, ...fields }))
  }

  private async connect(): Promise<void> {
    if (this.ended || this.socket !== null) return
    this.listener.onState({ kind: 'connecting', attempt: this.attempt })
    let ticket: Ticket | null = null
    if (this.resumeToken === null || this.sessionPath === null) {
      try {
        ticket = this.resumeToken === null ? await this.options.ticket() : null
      } catch (error) {
        this.refused(error)
        return
      }
    }
    if (this.ended || this.socket !== null) return
    this.sessionPath = ticket?.session_url ?? this.sessionPath ?? '/api/v1/session'
    this.open(ticket?.token ?? null)
  }

  private open(token: string | null): void {
    const url = sessionUrl(this.sessionPath ?? '', this.options.page ?? window.location)
    const socket = (this.options.makeSocket ?? realSocket)(url)
    this.socket = socket
    this.closing = null
    this.heardMs = Date.now()
    socket.onopen = () => void this.hello(socket, token)
    socket.onmessage = (event) => this.socket === socket && this.read(event.data)
    socket.onclose = (event) => this.socket === socket && this.closed(event.code)
    clearInterval(this.pingTimer)
    this.pingTimer = setInterval(() => this.beat(), PING_EVERY_MS)
  }

  private async hello(socket: SocketLike, token: string | null): Promise<void> {
    const seat = token === null ? { resume: this.resumeToken } : { token }
    try {
      const welcome = await this.request<Welcome>('hello', { protocol: PROTOCOL_VERSION, client: 'console', ...seat })
      if (this.socket !== socket) return
      this.attempt = 0
      this.resumeToken = welcome.resume_token
      this.listener.onResumable?.(welcome.resume_token)
      this.listener.onState({ kind: 'open' })
      this.listener.onWelcome(welcome)
    } catch (error) {
      if (this.socket !== socket) return
      const code = error instanceof SessionError ? error.code : 'internal'
      if (code === 'resume_unknown' || code.startsWith('token_')) this.resumeToken = null
      this.closing = { code, message: error instanceof Error ? error.message : '', can_resume: !isFinal(code) }
      socket.close(1000)
      this.closed(1000)
    }
  }

  private beat(): void {
    if (Date.now() - this.heardMs > SILENCE_LIMIT_MS) {
      this.socket?.close(4900, 'silent')
      this.closed(4900)
      return
    }
    const sentMs = performance.now()
    void this.request('ping', { t: Math.round(sentMs) }).then(() => (this.rttMs = performance.now() - sentMs), () => undefined)
  }

  private read(data: unknown): void {
    this.heardMs = Date.now()
    let message: { type?: unknown; id?: unknown }
    try {
      message = JSON.parse(String(data)) as typeof message
    } catch {
      return
    }
    if (typeof message !== 'object' || message === null || typeof message.type !== 'string') return
    if (typeof message.id === 'number') this.answered(message.id, message as unknown as Answer)
    else if (message.type === 'closing') this.closing ??= message as unknown as EventClosing
    if (typeof message.id !== 'number' && message.type !== 'error') this.listener.onEvent(message as ServerEvent)
  }

  private answered(id: number, answer: Answer): void {
    const waiter = this.waiters.get(id)
    if (!waiter) return
    this.waiters.delete(id)
    clearTimeout(waiter.timer)
    if (answer.type === 'error') waiter.reject(new SessionError(answer.code, answer.message))
    else waiter.resolve(answer)
  }

  private closed(closeCode: number): void {
    const reason = this.closing ?? { code: CLOSE_CODES[closeCode] ?? 'link_lost', message: '', can_resume: closeCode !== 4001 }
    this.detach('link_lost')
    if (this.ended) return
    if (isFinal(reason.code)) {
      this.end(reason.code, reason.message)
      return
    }
    if (!reason.can_resume) this.resumeToken = null
    this.retryLater(reason.code)
  }

  /** The hub gives no token: final words end it, everything else is tried again. */
  private refused(error: unknown): void {
    const { code, status, message } = error as { code?: string; status?: number; message?: string }
    const isRefusal = typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429
    if (isRefusal || isFinal(code ?? '')) this.end(code ?? 'internal', message ?? '')
    else this.retryLater(code ?? 'link_lost')
  }

  private retryLater(code: string): void {
    const waitMs = backoffMs(this.attempt, (this.options.random ?? Math.random)(), FIRST_WAIT_MS, LONGEST_WAIT_MS)
    this.attempt += 1
    this.listener.onState({ kind: 'waiting', attempt: this.attempt, retryAtMs: Date.now() + waitMs, code })
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => void this.connect(), waitMs)
  }

  private end(code: string, message: string): void {
    if (this.ended) return
    this.ended = true
    this.resumeToken = null
    this.detach(code)
    clearTimeout(this.retryTimer)
    this.listener.onResumable?.(null)
    this.listener.onState({ kind: 'ended', code, message })
  }

  private detach(code: string): void {
    clearInterval(this.pingTimer)
    const { socket } = this
    this.socket = null
    if (socket && socket.readyState <= OPEN) socket.close(1000)
    const waiting = [...this.waiters.values()]
    this.waiters.clear()
    for (const waiter of waiting) {
      clearTimeout(waiter.timer)
      waiter.reject(new SessionError(code))
    }
  }
}

type EventClosing = { code: string; message: string; can_resume: boolean }

function realSocket(url: string): SocketLike {
  return new WebSocket(url) as unknown as SocketLike
}
