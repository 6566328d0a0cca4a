/**
 * The publishing connection: camera and microphone (there from the start, so that switching them needs no new offer), a
 * shared screen beside them, and the layers the hub wants at the moment.
 */
import { SCREEN_ENCODINGS, withWanted } from './encodings'
import { withOpusSettings } from './opusSdp'
import { Peer, type PeerOptions } from './peer'
import type { Published } from './protocol'
import { reportsOf, type StatsReport } from './subscriber'

export type PublishedName = 'camera' | 'microphone' | 'screen' | 'screen-audio'

export interface PublisherHost {
  request(type: 'publish' | 'unpublish' | 'candidate', fields: object): Promise<unknown>
  onConnected(isConnected: boolean): void
}

interface Line {
  track: MediaStreamTrack | null
  encodings: RTCRtpEncodingParameters[]
  transceiver: RTCRtpTransceiver | null
  /** Layers wanted by the hub; null = never said, all of them. */
  wanted: string[] | null
}

export class Publisher {
  private readonly lines = new Map<PublishedName, Line>()
  private readonly peer: Peer

  constructor(
    private readonly host: PublisherHost,
    options: PeerOptions,
  ) {
    this.peer = new Peer(
      {
        exchange: async (sdp, fresh) =>
          ((await host.request('publish', { sdp, tracks: this.names(), ...(fresh ? { fresh } : {}) })) as Published).sdp,
        sendCandidate: (candidate) => host.request('candidate', { connection: 'publish', candidate }),
        furnish: (peer) => this.furnish(peer),
        onReplaced: () => undefined,
        onConnected: (isConnected) => host.onConnected(isConnected),
        tuneAnswer: (sdp) => withOpusSettings(sdp, this.names()),
      },
      options,
    )
  }

  get isOpen(): boolean {
    return this.peer.isOpen
  }

  /** The connection is offered with every line that is there; again after the hub forgot it. */
  publish(): Promise<void> {
    return this.peer.isOpen ? this.peer.negotiate() : this.peer.replace()
  }

  replace(): Promise<void> {
    return this.lines.size === 0 ? Promise.resolve() : this.peer.replace()
  }

  /** Declares a line before or after the first offer; a null track keeps its place. */
  declare(name: PublishedName, track: MediaStreamTrack | null, encodings: RTCRtpEncodingParameters[] = []): void {
    const line = this.lines.get(name)
    if (line) {
      line.track = track
      void line.transceiver?.sender.replaceTrack(track).catch(() => undefined)
      return
    }
    const made: Line = { track, encodings, transceiver: null, wanted: null }
    this.lines.set(name, made)
    if (this.peer.connection) this.addLine(this.peer.connection, name, made)
  }

  trackOf(name: PublishedName): MediaStreamTrack | null {
    return this.lines.get(name)?.track ?? null
  }

  /** Another device, or none: nothing is negotiated. */
  async swap(name: PublishedName, track: MediaStreamTrack | null): Promise<void> {
    const line = this.lines.get(name)
    if (!line) return
    line.track = track
    await line.transceiver?.sender.replaceTrack(track)
  }

  async share(screen: MediaStreamTrack, sound: MediaStreamTrack | null): Promise<void> {
    screen.contentHint = 'detail'
    this.declare('screen', screen, [...SCREEN_ENCODINGS])
    if (sound) this.declare('screen-audio', sound)
    try {
      await this.publish()
    } catch (error) {
      this.forget('screen')
      this.forget('screen-audio')
      throw error
    }
  }

  async unshare(): Promise<void> {
    for (const name of ['screen', 'screen-audio'] as const) {
      if (!this.lines.has(name)) continue
      this.lines.get(name)?.track?.stop()
      this.forget(name)
      await this.host.request('unpublish', { track: name }).catch(() => undefined)
    }
    if (this.peer.isOpen) await this.peer.negotiate().catch(() => undefined)
  }

  /** Only what somebody watches is encoded and sent. */
  want(name: PublishedName, rids: string[]): void {
    const line = this.lines.get(name)
    if (!line) return
    line.wanted = rids
    this.applyWanted(line)
  }

  async stats(): Promise<StatsReport[]> {
    return reportsOf(this.peer.connection)
  }

  close(): void {
    this.peer.close()
    this.lines.clear()
  }

  private names(): Record<string, string> {
    const pairs = [...this.lines].flatMap(([name, { transceiver }]) => (transceiver?.mid ? [[transceiver.mid, name] as const] : []))
    return Object.fromEntries(pairs)
  }

  private furnish(peer: RTCPeerConnection): void {
    for (const [name, line] of this.lines) this.addLine(peer, name, line)
  }

  private addLine(peer: RTCPeerConnection, name: PublishedName, line: Line): void {
    const kind = name === 'microphone' || name === 'screen-audio' ? 'audio' : 'video'
    const sendEncodings = line.encodings.map((encoding) => ({ ...encoding }))
    line.transceiver = peer.addTransceiver(line.track ?? kind, { direction: 'sendonly', ...(sendEncodings.length > 0 ? { sendEncodings } : {}) })
    line.wanted = null
  }

  /** The m-line goes with the next offer. */
  private forget(name: PublishedName): void {
    const line = this.lines.get(name)
    this.lines.delete(name)
    try {
      line?.transceiver?.stop()
    } catch {
      // The connection is closed already.
    }
  }

  private applyWanted(line: Line): void {
    const sender = line.transceiver?.sender
    const parameters = sender?.getParameters()
    if (!sender || !parameters || line.wanted === null || parameters.encodings.length === 0) return
    parameters.encodings = withWanted(parameters.encodings, line.wanted)
    void sender.setParameters(parameters).catch(() => undefined)
  }
}
