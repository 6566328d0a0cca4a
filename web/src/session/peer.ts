/**
 * One RTCPeerConnection that this page offers and the hub answers: one negotiation at a time, candidates told in small
 * heaps, and a connection that fails or stays broken is replaced by a fresh one with back-off. What stands in the offers
 * is the business of `Publisher` and `Subscriber`.
 */
import { backoffMs } from '@/api/backoff'

export type ConnectionName = 'publish' | 'subscribe'

export interface PeerHost {
  /** Sends the offer, gives the answer. */
  exchange(sdp: string, isFresh: boolean): Promise<string>
  sendCandidate(fragment: string | null): Promise<unknown>
  /** Puts tracks and transceivers into a new connection. */
  furnish(peer: RTCPeerConnection): void
  /** The old connection is gone; what was told about it is void. */
  onReplaced(): void
  onConnected(isConnected: boolean): void
  tuneAnswer?(sdp: string): string
}

export interface PeerOptions {
  iceServers: RTCIceServer[]
  makePeer?: (config: RTCConfiguration) => RTCPeerConnection
}

/** A break shorter than this mends itself more often than not. */
const BROKEN_LIMIT_MS = 6_000
const CONNECT_LIMIT_MS = 15_000
const CANDIDATES_EVERY_MS = 150

export class Peer {
  connection: RTCPeerConnection | null = null
  private work: Promise<unknown> = Promise.resolve()
  private isAnswered = false
  private isClosed = false
  private attempt = 0
  private pending: string[] = []
  private candidateTimer: ReturnType<typeof setTimeout> | undefined
  private brokenTimer: ReturnType<typeof setTimeout> | undefined
  private rebuildTimer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly host: PeerHost,
    private readonly options: PeerOptions,
  ) {}

  get isOpen(): boolean {
    return this.connection !== null
  }

  /** Offers what is there now; calls wait for each other. A refused offer changes nothing, here as there. */
  negotiate(): Promise<void> {
    const run = this.work.then(() => this.offer())
    this.work = run.catch(() => undefined)
    return run
  }

  /** A fresh connection in place of this one, at once. */
  async replace(): Promise<void> {
    if (this.isClosed) return
    this.shut()
    this.host.onReplaced()
    await this.negotiate()
  }

  close(): void {
    this.isClosed = true
    this.shut()
  }

  private open(): RTCPeerConnection {
    const make = this.options.makePeer ?? ((config) => new RTCPeerConnection(config))
    const peer = make({ iceServers: this.options.iceServers, bundlePolicy: 'max-bundle' })
    this.connection = peer
    this.isAnswered = false
    peer.onicecandidate = (event) => this.connection === peer && this.collect(peer, event.candidate)
    peer.onconnectionstatechange = () => this.connection === peer && this.changed(peer)
    this.host.furnish(peer)
    this.expectConnection()
    return peer
  }

  private async offer(): Promise<void> {
    if (this.isClosed) return
    const isFresh = this.connection === null
    const peer = this.connection ?? this.open()
    await peer.setLocalDescription(await peer.createOffer())
    let answer: string
    try {
      answer = await this.host.exchange(peer.localDescription?.sdp ?? '', isFresh)
    } catch (error) {
      if (this.connection !== peer) throw error
      if (isFresh) this.shut()
      else if (peer.signalingState === 'have-local-offer') await peer.setLocalDescription({ type: 'rollback' })
      throw error
    }
    if (this.connection !== peer) return
    await peer.setRemoteDescription({ type: 'answer', sdp: this.host.tuneAnswer?.(answer) ?? answer })
    this.isAnswered = true
    this.tellCandidates()
  }

  private changed(peer: RTCPeerConnection): void {
    const state = peer.connectionState
    this.host.onConnected(state === 'connected')
    if (state === 'connected') {
      this.attempt = 0
      clearTimeout(this.brokenTimer)
    } else if (state === 'failed') this.rebuildLater()
    else if (state === 'disconnected') this.watchBreak(BROKEN_LIMIT_MS)
  }

  private expectConnection(): void {
    this.watchBreak(CONNECT_LIMIT_MS)
  }

  private watchBreak(limitMs: number): void {
    clearTimeout(this.brokenTimer)
    const { connection } = this
    this.brokenTimer = setTimeout(() => {
      if (this.connection === connection && connection?.connectionState !== 'connected') this.rebuildLater()
    }, limitMs)
  }

  private rebuildLater(): void {
    clearTimeout(this.rebuildTimer)
    const waitMs = backoffMs(this.attempt, Math.random(), 300, 8_000)
    this.attempt += 1
    // A refusal (no line, no worker) is tried again by whoever owns the line.
    this.rebuildTimer = setTimeout(() => void this.replace().catch(() => undefined), waitMs)
  }

  private collect(peer: RTCPeerConnection, candidate: RTCIceCandidate | null): void {
    if (candidate !== null && candidate.candidate !== '') this.pending.push(candidate.candidate)
    clearTimeout(this.candidateTimer)
    this.candidateTimer = setTimeout(() => this.connection === peer && this.tellCandidates(), CANDIDATES_EVERY_MS)
  }

  private tellCandidates(): void {
    if (!this.isAnswered || this.pending.length === 0) return
    const fragment = candidateFragment(this.connection?.localDescription?.sdp ?? '', this.pending.splice(0))
    void this.host.sendCandidate(fragment).catch(() => undefined)
  }

  private shut(): void {
    for (const timer of [this.candidateTimer, this.brokenTimer, this.rebuildTimer]) clearTimeout(timer)
    this.pending = []
    const { connection } = this
    this.connection = null
    connection?.close()
  }
}

/** RFC 8840: which generation of the connection the candidates are of, then the candidates. */
export function candidateFragment(sdp: string, candidates: readonly string[]): string {
  const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? ''
  const mid = /^a=mid:(\S+)/m.exec(sdp)?.[1] ?? '0'
  const media = /^m=(\w+) /m.exec(sdp)?.[1] ?? 'audio'
  return [`a=ice-ufrag:${ufrag}`, `m=${media} 9 UDP/TLS/RTP/SAVPF 0`, `a=mid:${mid}`, ...candidates.map((line) => `a=${line}`), ''].join('\r\n')
}
