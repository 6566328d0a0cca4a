/**
 * The session of a page: one line to the hub, one connection that publishes and one that subscribes. Pages ask for
 * *views* (a track of a source, at a size) and get a browser track that may change; they never see slots, offers or
 * reconnections. After every break the wishes are said again. Words for a person are made elsewhere.
 */
import { Publisher, type PublishedName } from './publisher'
import { SessionLink, type LinkOptions, type LinkState } from './link'
import { LipSync } from './lipSync'
import { levelOf, lossBetween, readingOfLine, worst, type LineReading, type QualityLevel } from './linkQuality'
import type { Answer, ChairAction, IceServer, MediaKind, Ok, ServerEvent, TrackName, Welcome } from './protocol'
import { applied, EMPTY_ROOM, welcomed, type RoomState } from './roomState'
import { SessionError } from './sessionError'
import type { SlotCount } from './slotPlan'
import { Subscriber, type StatsReport } from './subscriber'
import { Subscriptions, type Telling } from './subscriptions'
import { Views, type View, type ViewListener } from './views'

export interface SessionListener {
  onLink?(state: LinkState): void
  onRoom?(state: RoomState): void
  onEvent?(event: ServerEvent): void
  /** `isFresh`: nothing of before is known at the hub; what is published is to be published again. */
  onWelcome?(welcome: Welcome, isFresh: boolean): void
  onQuality?(level: QualityLevel | null, rttMs: number | null): void
  /** Microphones the hub chose to send, by slot. */
  onAudio?(tracks: ReadonlyMap<string, MediaStreamTrack>): void
  onResumable?(resumeToken: string | null): void
}

export interface SessionOptions extends LinkOptions {
  /** Slots offered from the start; the hub fills audio slots of a room by itself. */
  firstSlots: SlotCount
  /** Audio slots without a wish of the page are played (a room), or not (a wall). */
  hearsRoom: boolean
  makePeer?: (config: RTCConfiguration) => RTCPeerConnection
}

const STATS_EVERY_MS = 1_000
const RETRY_REFUSED_MS = 5_000
/** Refusals that time may cure. */
const CURABLE = new Set(['source_offline', 'no_slot', 'worker_unavailable', 'internal', 'too_fast', 'source_not_found', 'in_lobby'])

export class SessionClient {
  readonly link: SessionLink
  readonly subscriptions = new Subscriptions()
  readonly views: Views
  publisher: Publisher | null = null
  state: RoomState = EMPTY_ROOM
  linkState: LinkState = { kind: 'idle' }
  private subscriber: Subscriber | null = null
  private welcome: Welcome | null = null
  private isSyncing = false
  private isSyncWanted = false
  private audioSlots = new Map<string, string>()
  private lips = new LipSync()
  private hubLevels = new Map<string, QualityLevel>()
  private connected = { publish: true, subscribe: true }
  private lineBefore: LineReading | null = null
  private statsTimer: ReturnType<typeof setInterval> | undefined
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private readonly onNetwork = () => this.link.retryNow()

  constructor(
    private readonly options: SessionOptions,
    private readonly listener: SessionListener = {},
  ) {
    this.link = new SessionLink(options, {
      onState: (state) => this.linkChanged(state),
      onWelcome: (welcome) => this.welcomed(welcome),
      onEvent: (event) => this.heard(event),
      onResumable: (token) => listener.onResumable?.(token),
    })
    this.views = new Views(this.subscriptions, () => this.sync())
  }

  start(): void {
    window.addEventListener('online', this.onNetwork)
    this.link.start()
    this.statsTimer = setInterval(() => void this.measure(), STATS_EVERY_MS)
  }

  /** `isFinal`: the seat is given up; otherwise it can be come back to for a minute. */
  async stop(isFinal: boolean): Promise<void> {
    window.removeEventListener('online', this.onNetwork)
    clearInterval(this.statsTimer)
    clearTimeout(this.retryTimer)
    if (isFinal) await this.link.leave()
    else this.link.drop()
    this.closePeers()
  }

  view(source: string, track: TrackName, kind: MediaKind, listener: ViewListener, size?: { width: number; height: number }): View {
    return this.views.open(source, track, kind, listener, size)
  }

  /** Asks the hub; a refusal is a `SessionError` with its code. */
  ask(type: string, fields: object): Promise<Answer> {
    return this.link.request(type, fields)
  }

  chair(action: ChairAction): Promise<Ok> {
    return this.link.request<Ok>('chair', { ...action })
  }

  chat(text: string, to?: string): Promise<Answer> {
    return this.link.request('chat', { text, ...(to ? { to } : {}) })
  }

  /** Makes the publishing connection with what is declared so far. */
  openPublisher(): Publisher {
    this.publisher ??= new Publisher(
      { request: (type: string, fields: object) => this.link.request(type, fields), onConnected: (is) => this.connectionChanged('publish', is) },
      this.peerOptions(),
    )
    return this.publisher
  }

  // --- the line ------------------------------------------------------------------------------------------------------

  private peerOptions() {
    const iceServers = (this.welcome?.ice_servers ?? []).map(rtcServer)
    return { iceServers, ...(this.options.makePeer ? { makePeer: this.options.makePeer } : {}) }
  }

  private linkChanged(state: LinkState): void {
    this.linkState = state
    if (state.kind === 'ended') this.closePeers()
    this.listener.onLink?.(state)
  }

  private welcomed(welcome: Welcome): void {
    const isSamePage = welcome.resumed && this.subscriber !== null
    this.welcome = welcome
    this.setState(welcomed(this.state, welcome))
    if (isSamePage) for (const slot of welcome.slots ?? []) this.heard(slot)
    else this.startConnections(welcome)
    this.listener.onWelcome?.(welcome, !isSamePage)
    void this.sync()
  }

  /** A page that was reloaded, or a worker that knows nothing: everything is made anew. */
  private startConnections(welcome: Welcome): void {
    this.subscriber?.close()
    this.subscriber = null
    this.slotsVoid()
    this.subscriber = new Subscriber(
      {
        request: (type: string, fields: object) => this.link.request(type, fields),
        onReplaced: () => this.slotsVoid(),
        onConnected: (is) => this.connectionChanged('subscribe', is),
      },
      this.peerOptions(),
      this.options.firstSlots,
      welcome.limits,
    )
  }

  private slotsVoid(): void {
    this.audioSlots.clear()
    this.lips = new LipSync()
    this.tellAudio()
    this.subscriptions.forgetTold()
    this.views.changed((mid) => this.trackOf(mid))
    void Promise.resolve().then(() => this.sync())
  }

  private closePeers(): void {
    this.subscriber?.close()
    this.publisher?.close()
    this.subscriber = this.publisher = null
    this.audioSlots.clear()
    this.listener.onAudio?.(new Map())
  }

  private connectionChanged(name: 'publish' | 'subscribe', isConnected: boolean): void {
    this.connected[name] = isConnected
  }

  // --- events --------------------------------------------------------------------------------------------------------

  private setState(state: RoomState): void {
    if (state === this.state) return
    this.state = state
    this.listener.onRoom?.(state)
  }

  private heard(event: ServerEvent): void {
    const wasInLobby = this.state.me?.is_in_lobby === true
    this.setState(applied(this.state, event))
    if (wasInLobby && this.state.me?.is_in_lobby === false) void this.sync()
    if (event.type === 'slot') this.slotChanged(event.mid, event.kind, event.source, event.track)
    else if (event.type === 'source') this.sourceChanged(event)
    else if (event.type === 'unsubscribed') this.lost(event.source, event.track, event.code)
    else if (event.type === 'layer') this.views.layer(event.mid, event.rid, event.width, event.height)
    else if (event.type === 'layers_wanted') this.publisher?.want(event.track as PublishedName, event.rids)
    else if (event.type === 'quality') this.hubLevels.set(event.connection, Math.max(0, Math.min(4, event.level)) as QualityLevel)
    else if (event.type === 'connection_lost') this.connectionLost(event.connection)
    this.listener.onEvent?.(event)
  }

  private slotChanged(mid: string, kind: MediaKind, source: string | null, track: string | null): void {
    this.subscriptions.slotChanged(mid, source, track)
    if (kind === 'audio' && this.options.hearsRoom) {
      if (source === null) this.audioSlots.delete(mid)
      else this.audioSlots.set(mid, source)
      this.tellAudio()
    }
    this.views.changed((each) => this.trackOf(each))
  }

  private sourceChanged(event: Extract<ServerEvent, { type: 'source' }>): void {
    if (event.state === 'gone') this.subscriptions.sourceGone(event.source)
    if (event.state === 'live') for (const track of event.tracks) this.subscriptions.retry(event.source, track.name)
    this.views.source(event.source, event.state, event.reason ?? null)
    void this.sync()
  }

  private lost(source: string, track: string, code: string): void {
    this.subscriptions.ended(source, track, code)
    this.views.changed((mid) => this.trackOf(mid))
    if (CURABLE.has(code)) this.retryLater()
  }

  private connectionLost(name: 'publish' | 'subscribe'): void {
    const again = name === 'publish' ? this.publisher?.replace() : this.subscriber?.replace()
    void again?.catch(() => undefined)
  }

  private trackOf(mid: string): MediaStreamTrack | null {
    return this.subscriber?.trackOf(mid) ?? null
  }

  private tellAudio(): void {
    const tracks = new Map<string, MediaStreamTrack>()
    for (const mid of this.audioSlots.keys()) {
      const track = this.trackOf(mid)
      if (track) tracks.set(mid, track)
    }
    this.listener.onAudio?.(tracks)
  }

  // --- wishes --------------------------------------------------------------------------------------------------------

  /** Says what is left to say. One run at a time; wishes that change meanwhile are looked at after it. */
  async sync(): Promise<void> {
    this.isSyncWanted = true
    if (this.isSyncing) return
    this.isSyncing = true
    try {
      while (this.isSyncWanted && this.linkState.kind === 'open') {
        this.isSyncWanted = false
        await this.syncOnce()
      }
    } finally {
      this.isSyncing = false
    }
  }

  private async syncOnce(): Promise<void> {
    const { subscriber } = this
    if (!subscriber || this.state.me?.is_in_lobby) return
    const needed = { audio: this.subscriptions.wished('audio'), video: this.subscriptions.wished('video') }
    if (needed.audio + needed.video === 0 && !this.options.hearsRoom && !this.subscriptions.hasTold) return
    try {
      await subscriber.ensure(needed)
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'link_lost') this.retryLater()
      return
    }
    await Promise.all(this.subscriptions.next().map((telling) => this.tell(telling)))
  }

  private async tell(telling: Telling): Promise<void> {
    const { key, type, ...fields } = telling
    this.subscriptions.sent(telling)
    try {
      const answer = (await this.link.request<Ok>(type, fields)) as Ok
      this.subscriptions.answered(telling, answer.mid ?? null)
    } catch (error) {
      const code = error instanceof SessionError ? error.code : 'internal'
      if (code === 'link_lost' || code === 'timeout') this.subscriptions.unanswered(telling)
      else this.subscriptions.refused(telling, code)
      if (CURABLE.has(code) || code === 'timeout') this.retryLater()
    }
    this.views.answered(key, (mid) => this.trackOf(mid))
    this.isSyncWanted = true
  }

  private retryLater(): void {
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => {
      this.subscriptions.retryAll(CURABLE)
      void this.sync()
    }, RETRY_REFUSED_MS)
  }

  // --- figures -------------------------------------------------------------------------------------------------------

  private async measure(): Promise<void> {
    const { subscriber } = this
    // Pictures come from the worker and may go on, or stop, while the line to the api is broken.
    if (this.linkState.kind !== 'open') this.listener.onQuality?.(this.linkState.kind === 'ended' ? null : 0, null)
    if (!subscriber) return
    const [received, sent] = await Promise.all([subscriber.stats(), this.publisher?.stats() ?? Promise.resolve([])])
    if (this.subscriber !== subscriber) return
    const reports = byMid(received, subscriber.midsByTrackId())
    this.views.measured(reports)
    for (const [mid, waitMs] of this.lips.next(this.facesOfVoices(), reports)) subscriber.hold(mid, waitMs)
    if (this.linkState.kind === 'open') this.tellQuality([...received, ...sent])
  }

  /** Audio mid → video mid of the same person, of those who are seen and heard. */
  private facesOfVoices(): Map<string, string> {
    const pairs = new Map<string, string>()
    for (const [audio, source] of this.audioSlots) {
      const video = this.subscriptions.midOf(source, 'camera')
      if (video !== null) pairs.set(audio, video)
    }
    return pairs
  }

  private tellQuality(reports: StatsReport[]): void {
    const now = readingOfLine(reports, performance.now())
    const before = this.lineBefore ?? now
    this.lineBefore = now
    const isConnected = this.connected.publish && this.connected.subscribe
    const own = levelOf(now.rttMs ?? this.link.rttMs, lossBetween(before, now), isConnected)
    this.listener.onQuality?.(worst([own, ...this.hubLevels.values()]), now.rttMs)
  }
}

function rtcServer(server: IceServer): RTCIceServer {
  return { urls: server.urls, ...(server.username ? { username: server.username } : {}), ...(server.credential ? { credential: server.credential } : {}) }
}

/** The browser's counts of each slot, with what they share (the path). */
function byMid(reports: readonly StatsReport[], mids: ReadonlyMap<string, string>): Map<string, StatsReport[]> {
  const shared = reports.filter((report) => report.type === 'candidate-pair')
  const found = new Map<string, StatsReport[]>()
  for (const report of reports) {
    if (report.type !== 'inbound-rtp') continue
    const mid = (report['mid'] as string | undefined) ?? mids.get(String(report['trackIdentifier']))
    if (mid !== undefined) found.set(mid, [report, ...shared])
  }
  return found
}
