/**
 * One picture by WHEP: receive-only, non-trickle, retried with back-off, DELETEd on leaving. Decisions about what to
 * retry live in `retryPolicy`, words for a person in `tileWords`; this class only moves the peer connection.
 */
import { live } from '@/api/endpoints'
import { serverClock } from '@/api/http'
import { ApiError, networkError } from '@/api/problem'
import type { StreamQuality } from '@/api/types'
import { figuresOf, readingOf, type LiveFigures, type Reading } from './liveStats'
import { retryAfterFailure } from './retryPolicy'
import { audioPathOf, iceServersOf, type AudioPath } from './whepSdp'

const GATHER_LIMIT_MS = 1_500
const FIRST_PICTURE_LIMIT_MS = 12_000
const POLL_EVERY_MS = 500
const STATS_EVERY_MS = 1_000
/** A session whose picture stands still this long is made anew, so that a restarted worker is felt less than 10 s. */
const FROZEN_LIMIT_MS = 5_000

export type WhepState =
  | { kind: 'idle' }
  | { kind: 'connecting'; attempt: number }
  | { kind: 'playing'; audio: AudioPath; frozenMs: number }
  | { kind: 'failed'; error: ApiError; retryAtMs: number | null }

export interface WhepListener {
  onState(state: WhepState): void
  onStream(stream: MediaStream): void
  onFigures(figures: LiveFigures): void
}

/** Learnt from the first answer's `Link` headers, used from the next offer on. */
let knownIceServers: RTCIceServer[] = []

export class WhepClient {
  private peer: RTCPeerConnection | null = null
  private location: string | null = null
  private attempt = 0
  private closed = false
  private audio: AudioPath = 'none'
  private previous: Reading | null = null
  private startedMs = 0
  private movedMs = 0
  private playing = false
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private statsTimer: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly cameraId: string,
    readonly stream: StreamQuality,
    private readonly listener: WhepListener,
  ) {}

  start(): void {
    void this.connect()
  }

  /** Called when something changed for the better (the camera is online again): do not sit out the wait. */
  retryNow(): void {
    if (this.closed || this.peer !== null) return
    clearTimeout(this.retryTimer)
    this.attempt = 0
    void this.connect()
  }

  close(): void {
    this.closed = true
    clearTimeout(this.retryTimer)
    this.drop()
  }

  private async connect(): Promise<void> {
    this.listener.onState({ kind: 'connecting', attempt: this.attempt })
    const peer = (this.peer = new RTCPeerConnection({ iceServers: knownIceServers, bundlePolicy: 'max-bundle' }))
    this.watch(peer)
    try {
      const answer = await this.exchange(peer)
      if (this.peer !== peer) return
      await peer.setRemoteDescription({ type: 'answer', sdp: answer })
      this.beginStats(peer)
    } catch (error) {
      if (this.peer !== peer) return
      this.fail(error instanceof ApiError ? error : networkError(error))
    }
  }

  private watch(peer: RTCPeerConnection): void {
    const media = new MediaStream()
    peer.addTransceiver('video', { direction: 'recvonly' })
    peer.addTransceiver('audio', { direction: 'recvonly' })
    peer.ontrack = (event) => {
      media.addTrack(event.track)
      if (event.track.kind === 'video') this.listener.onStream(media)
    }
    peer.onconnectionstatechange = () => {
      if (this.peer !== peer) return
      if (peer.connectionState === 'failed') this.fail(networkError(new Error('ice failed')))
    }
  }

  private async exchange(peer: RTCPeerConnection): Promise<string> {
    await peer.setLocalDescription(await peer.createOffer())
    await gathered(peer)
    if (this.peer !== peer) throw new Error('closed before the offer was sent')
    const sdp = peer.localDescription?.sdp ?? ''
    const response = await live.offer(this.cameraId, this.stream, sdp)
    const location = response.headers.get('Location')
    const answer = await response.text()
    if (this.peer !== peer) {
      // Left while the answer was under way: the session exists and must not stay behind.
      if (location !== null) void live.end(location).catch(() => undefined)
      return answer
    }
    this.location = location
    this.audio = audioPathOf(response.headers.get('X-Xiangyun-Audio'))
    const servers = iceServersOf(response.headers.get('Link'))
    if (servers.length > 0) knownIceServers = servers
    return answer
  }

  private beginStats(peer: RTCPeerConnection): void {
    this.startedMs = this.movedMs = performance.now()
    this.playing = false
    this.previous = null
    clearInterval(this.statsTimer)
    this.statsTimer = setInterval(() => void this.measure(peer), POLL_EVERY_MS)
  }

  private async measure(peer: RTCPeerConnection): Promise<void> {
    const reports = await peer.getStats()
    if (this.peer !== peer) return
    const values: (Record<string, unknown> & { type: string; timestamp: number })[] = []
    reports.forEach((report: Record<string, unknown> & { type: string; timestamp: number }) => values.push(report))
    const now = readingOf(values)
    const nowMs = performance.now()
    if (now && now.framesDecoded > 0 && !this.playing) this.firstPicture(nowMs)
    if (!this.playing && nowMs - this.startedMs > FIRST_PICTURE_LIMIT_MS) {
      this.fail(new ApiError('no_media', 0, '', '', null))
      return
    }
    if (!now || (this.previous && now.atMs - this.previous.atMs < STATS_EVERY_MS - 50)) return
    if (this.previous) this.publish(figuresOf(this.previous, now, serverClock.now(), serverClock.errorMs), nowMs)
    this.previous = now
  }

  private firstPicture(nowMs: number): void {
    this.playing = true
    this.movedMs = nowMs
    this.attempt = 0
    this.listener.onState({ kind: 'playing', audio: this.audio, frozenMs: 0 })
  }

  private publish(figures: LiveFigures, nowMs: number): void {
    if (!this.playing) return
    if (figures.moving) this.movedMs = nowMs
    const frozenMs = nowMs - this.movedMs
    this.listener.onFigures(figures)
    this.listener.onState({ kind: 'playing', audio: this.audio, frozenMs })
    if (frozenMs > FROZEN_LIMIT_MS) this.fail(new ApiError('picture_frozen', 0, '', '', null))
  }

  private fail(error: ApiError): void {
    this.drop()
    if (this.closed) return
    const waitMs = retryAfterFailure(error, this.attempt, Math.random())
    this.attempt += 1
    this.listener.onState({ kind: 'failed', error, retryAtMs: waitMs === null ? null : Date.now() + waitMs })
    if (waitMs !== null) this.retryTimer = setTimeout(() => void this.connect(), waitMs)
  }

  private drop(): void {
    clearInterval(this.statsTimer)
    const { peer, location } = this
    this.peer = null
    this.location = null
    peer?.close()
    if (location !== null) void live.end(location).catch(() => undefined)
  }
}

async function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return
  await new Promise<void>((done) => {
    const timer = setTimeout(done, GATHER_LIMIT_MS)
    peer.addEventListener('icegatheringstatechange', () => {
      if (peer.iceGatheringState !== 'complete') return
      clearTimeout(timer)
      done()
    })
  })
}
