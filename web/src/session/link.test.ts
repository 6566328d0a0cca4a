import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '@/api/problem'
import { sessionUrl, SessionLink, type LinkState, type SocketLike, type Ticket } from './link'
import type { ServerEvent, Welcome } from './protocol'

class FakeSocket implements SocketLike {
  readyState = 1
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  sent: Record<string, unknown>[] = []

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {
    this.readyState = 3
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  breakOff(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code, reason: '' })
  }

  get last(): Record<string, unknown> {
    return this.sent.at(-1) ?? {}
  }
}

const page = { protocol: 'https:', host: 'hub.example' }
const welcome = { type: 'welcome', session_id: 's-1', resume_token: 'resume-me-please', resumed: false, ice_servers: [], limits: {}, server_time: '' }
const settle = () => vi.advanceTimersByTimeAsync(0)

function rig(ticket: () => Promise<Ticket> = () => Promise.resolve({ token: 'once', session_url: '/api/v1/session?token=once' })) {
  const sockets: FakeSocket[] = []
  const states: LinkState[] = []
  const events: ServerEvent[] = []
  const welcomes: Welcome[] = []
  const tickets = vi.fn(ticket)
  const link = new SessionLink(
    { ticket: tickets, page, random: () => 0.5, makeSocket: (url) => (sockets.push(new FakeSocket(url)), sockets.at(-1) as FakeSocket) },
    { onState: (state) => states.push(state), onEvent: (event) => events.push(event), onWelcome: (each) => welcomes.push(each) },
  )
  const socket = () => sockets.at(-1) as FakeSocket
  const greet = async (more: object = {}) => {
    socket().onopen?.()
    socket().say({ ...welcome, id: socket().last['id'], ...more })
    await settle()
  }
  return { link, sockets, states, events, welcomes, tickets, socket, greet }
}

describe('SessionLink', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('says hello with the token, never in the address', async () => {
    const { link, socket, states, welcomes, greet } = rig()
    link.start()
    await settle()
    expect(socket().url).toBe('wss://hub.example/api/v1/session')
    await greet()
    expect(socket().sent[0]).toMatchObject({ type: 'hello', protocol: 1, token: 'once' })
    expect(states.at(-1)).toEqual({ kind: 'open' })
    expect(welcomes).toHaveLength(1)
  })

  it('gives every request its own answer, and a refusal as an error with its code', async () => {
    const { link, socket, greet } = rig()
    link.start()
    await settle()
    await greet()
    const first = link.request('chat', { text: 'a' })
    const second = link.request('mute', {})
    const [a, b] = socket().sent.slice(-2)
    socket().say({ type: 'error', id: b?.['id'], code: 'not_your_turn', message: 'no' })
    socket().say({ type: 'ok', id: a?.['id'] })
    await expect(first).resolves.toMatchObject({ type: 'ok' })
    await expect(second).rejects.toMatchObject({ code: 'not_your_turn' })
  })

  it('resumes after a break without asking for a token', async () => {
    const { link, socket, sockets, tickets, states, greet } = rig()
    link.start()
    await settle()
    await greet()
    const lost = link.request('ping', { t: 1 })
    socket().breakOff()
    await expect(lost).rejects.toMatchObject({ code: 'link_lost' })
    expect(states.at(-1)).toMatchObject({ kind: 'waiting', attempt: 1 })
    await vi.advanceTimersByTimeAsync(1000)
    expect(sockets).toHaveLength(2)
    await greet({ resumed: true })
    expect(socket().sent[0]).toMatchObject({ resume: 'resume-me-please' })
    expect(tickets).toHaveBeenCalledTimes(1)
  })

  it('takes a fresh token where there is nothing to resume any more', async () => {
    const { link, socket, tickets, greet } = rig()
    link.start()
    await settle()
    await greet()
    socket().breakOff()
    await vi.advanceTimersByTimeAsync(1000)
    socket().onopen?.()
    socket().say({ type: 'error', id: socket().last['id'], code: 'resume_unknown', message: '' })
    await vi.advanceTimersByTimeAsync(2000)
    expect(tickets).toHaveBeenCalledTimes(2)
    await greet()
    expect(socket().sent[0]).toMatchObject({ token: 'once' })
  })

  it.each(['replaced', 'removed', 'room_ended'])('never comes back by itself after %s', async (code) => {
    const { link, socket, sockets, states, greet } = rig()
    link.start()
    await settle()
    await greet()
    socket().say({ type: 'closing', code, message: '', can_resume: false })
    socket().breakOff(1000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sockets).toHaveLength(1)
    expect(states.at(-1)).toMatchObject({ kind: 'ended', code })
  })

  it('comes back by itself after a worker restart', async () => {
    const { link, socket, sockets, greet } = rig()
    link.start()
    await settle()
    await greet()
    socket().say({ type: 'closing', code: 'worker_restart', message: '', can_resume: true })
    socket().breakOff(1012)
    await vi.advanceTimersByTimeAsync(1000)
    expect(sockets).toHaveLength(2)
  })

  it('ends when the hub gives no token, and waits when it cannot be reached', async () => {
    const refused = rig(() => Promise.reject(new ApiError('room_locked', 409, '', '', null)))
    refused.link.start()
    await settle()
    expect(refused.states.at(-1)).toMatchObject({ kind: 'ended', code: 'room_locked' })
    const away = rig(() => Promise.reject(new ApiError('network', 0, '', '', null)))
    away.link.start()
    await settle()
    expect(away.states.at(-1)).toMatchObject({ kind: 'waiting', code: 'network' })
    away.link.drop()
  })

  it('does not trust a line that says nothing', async () => {
    const { link, sockets, socket, greet } = rig()
    link.start()
    await settle()
    await greet()
    await vi.advanceTimersByTimeAsync(31_500)
    expect(socket()).not.toBe(sockets[0])
    link.drop()
  })

  it('shrugs at what is no message', async () => {
    const { link, socket, events, greet } = rig()
    link.start()
    await settle()
    await greet()
    for (const data of ['', '{', '7', 'null', '{"id":99,"type":"ok"}', '{"a":1}']) socket().onmessage?.({ data })
    expect(events).toEqual([])
    socket().say({ type: 'of-another-year', x: 1 })
    expect(events).toHaveLength(1)
    link.drop()
  })

  it('gives the seat up only when told so', async () => {
    const { link, socket, states, greet } = rig()
    link.start()
    await settle()
    await greet()
    const leaving = link.leave()
    expect(socket().last).toMatchObject({ type: 'leave' })
    socket().say({ type: 'ok', id: socket().last['id'] })
    await leaving
    expect(states.at(-1)).toMatchObject({ kind: 'ended', code: 'left' })
  })
})

describe('sessionUrl', () => {
  it('keeps to the scheme of the page', () => {
    expect(sessionUrl('/api/v1/session?token=x', { protocol: 'http:', host: 'a:1' })).toBe('ws://a:1/api/v1/session')
    expect(sessionUrl('wss://b/api/v1/session', page)).toBe('wss://b/api/v1/session')
  })
})
