/**
 * One person in one meeting: the session, what is published, and what the buttons do. Pages read its refs and call its
 * methods; every refusal of the hub becomes a code for `refusal.*`.
 */
import { rooms } from '@/api/endpoints'
import { ref, shallowRef, triggerRef } from 'vue'
import { SessionClient } from '@/session/client'
import type { PageSession } from '@/session/context'
import { capturePlan, SCREEN_CONSTRAINTS } from '@/session/encodings'
import type { LinkState } from '@/session/link'
import type { QualityLevel } from '@/session/linkQuality'
import type { ChairAction, ServerEvent } from '@/session/protocol'
import { EMPTY_ROOM, type RoomState } from '@/session/roomState'
import { SessionError } from '@/session/sessionError'
import type { DeviceKind } from './devices'
import { happeningsBetween, type Happening } from './happenings'
import type { JoinIntent } from './joining'
import { forgetSeat, saveSeat } from './savedSeat'

export interface MeetingListener {
  onRefused(code: string): void
  onHappening(happening: Happening): void
  onEvent(event: ServerEvent): void
  onDeviceLost(device: DeviceKind): void
}

const SEAT_SAVED_EVERY_MS = 5_000
const REPUBLISH_AFTER_MS = 2_000
/** Loudest few, and one for the sound of a shared screen when it comes. */
const FIRST_SLOTS = { audio: 3, video: 6 }

export class Meeting implements PageSession {
  readonly client: SessionClient
  readonly link = shallowRef<LinkState>({ kind: 'idle' })
  readonly room = shallowRef<RoomState>(EMPTY_ROOM)
  readonly quality = shallowRef<QualityLevel | null>(null)
  readonly rttMs = ref<number | null>(null)
  readonly audio = shallowRef<ReadonlyMap<string, MediaStreamTrack>>(new Map())
  readonly screen = shallowRef<MediaStreamTrack | null>(null)
  readonly isCameraOn = ref(false)
  readonly isAudioOnly = ref(false)
  readonly wasOpen = ref(false)
  private resumeToken: string | null
  private seatTimer: ReturnType<typeof setInterval> | undefined
  private publishTimer: ReturnType<typeof setTimeout> | undefined
  private isPublishing = false

  constructor(
    readonly intent: JoinIntent,
    private readonly listener: MeetingListener,
  ) {
    this.resumeToken = intent.resumeToken
    this.isAudioOnly.value = intent.isAudioOnly
    this.client = new SessionClient(
      { ticket: () => this.ticket(), resumeToken: intent.resumeToken, firstSlots: FIRST_SLOTS, hearsRoom: true },
      {
        onLink: (state) => this.linkChanged(state),
        onRoom: (state) => this.roomChanged(state),
        onEvent: (event) => this.heard(event),
        onWelcome: (_, isFresh) => void this.publish(isFresh),
        onAudio: (tracks) => (this.audio.value = tracks),
        onQuality: (level, rttMs) => ((this.quality.value = level), (this.rttMs.value = rttMs)),
        onResumable: (token) => ((this.resumeToken = token), this.rememberSeat()),
      },
    )
    intent.media.onTrack = (device, track) => this.deviceChanged(device, track)
    intent.media.onLost = (device) => listener.onDeviceLost(device)
  }

  get media() {
    return this.intent.media
  }

  get myId(): string | null {
    return this.room.value.me?.id ?? null
  }

  get isChair(): boolean {
    return this.myId !== null && this.room.value.room?.chair === this.myId
  }

  start(): void {
    this.client.start()
    this.seatTimer = setInterval(() => this.rememberSeat(), SEAT_SAVED_EVERY_MS)
  }

  async leave(): Promise<void> {
    this.stop()
    forgetSeat(this.intent.roomId)
    await this.client.stop(true)
  }

  /** The page goes, the seat stays for its minute. */
  abandon(): void {
    this.rememberSeat()
    this.stop()
    void this.client.stop(false)
  }

  // --- buttons ---------------------------------------------------------------------------------------------------------

  async setMicrophone(isOn: boolean): Promise<void> {
    const { media } = this
    if (isOn && media.microphone.value === null && !(await media.open('microphone'))) return
    const isDone = await this.ask(() => this.client.ask('mute', { track: 'microphone', muted: !isOn }))
    if (isDone || !isOn) media.hear(isOn)
  }

  async setCamera(isOn: boolean): Promise<void> {
    const { media } = this
    if (!isOn) media.shut('camera')
    else if (media.camera.value === null && !(await media.open('camera'))) return
    this.isCameraOn.value = isOn
    await this.ask(() => this.client.ask('mute', { track: 'camera', muted: !isOn }))
  }

  async shareScreen(): Promise<void> {
    let stream: MediaStream
    try {
      stream = await navigator.mediaDevices.getDisplayMedia(SCREEN_CONSTRAINTS as DisplayMediaStreamOptions)
    } catch {
      // The person closed the chooser.
      return
    }
    const [screen] = stream.getVideoTracks()
    const [sound] = stream.getAudioTracks()
    if (!screen) return
    const isDone = await this.ask(() => this.client.openPublisher().share(screen, sound ?? null))
    if (!isDone) {
      for (const track of stream.getTracks()) track.stop()
      return
    }
    screen.addEventListener('ended', () => void this.stopSharing())
    this.screen.value = screen
  }

  async stopSharing(): Promise<void> {
    if (this.screen.value === null) return
    this.screen.value = null
    await this.ask(() => this.client.publisher?.unshare() ?? Promise.resolve())
  }

  /** True when the hub agreed; a refusal is told in words. */
  chair(action: ChairAction): Promise<boolean> {
    return this.ask(() => this.client.chair(action))
  }

  chat(text: string, to?: string): Promise<boolean> {
    return this.ask(() => this.client.chat(text, to))
  }

  async ask(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.listener.onRefused(error instanceof SessionError ? error.code : 'internal')
      return false
    }
  }

  // --- the line --------------------------------------------------------------------------------------------------------

  private async ticket() {
    const { ticket, roomId, join, isGuest } = this.intent
    this.intent.ticket = null
    if (ticket) return ticket
    const again = { ...join, ...(this.myId ? { participant_id: this.myId } : {}) }
    return rooms.join(roomId, again, !isGuest)
  }

  private linkChanged(state: LinkState): void {
    this.link.value = state
    if (state.kind === 'open') this.wasOpen.value = true
    if (state.kind === 'ended') {
      this.stop()
      forgetSeat(this.intent.roomId)
    }
  }

  private roomChanged(state: RoomState): void {
    const before = this.room.value
    this.room.value = state
    triggerRef(this.room)
    for (const happening of happeningsBetween(before, state)) this.listener.onHappening(happening)
    if (before.me?.is_in_lobby && state.me && !state.me.is_in_lobby) void this.publish(true)
  }

  private heard(event: ServerEvent): void {
    if (event.type === 'muted' && event.track === 'microphone' && event.is_muted) this.media.hear(false)
    if (event.type === 'muted' && event.track === 'screen' && event.is_muted) void this.stopSharing()
    this.listener.onEvent(event)
  }

  private async publish(isFresh: boolean): Promise<void> {
    const { me } = this.room.value
    if (!me || me.is_in_lobby || me.role === 'observer' || this.isPublishing) return
    const publisher = this.client.openPublisher()
    if (!isFresh && publisher.isOpen) return
    this.isPublishing = true
    publisher.declare('microphone', this.media.microphone.value)
    publisher.declare('camera', this.media.camera.value, capturePlan(this.media.plan).encodings)
    try {
      await publisher.replace()
      this.isCameraOn.value = this.media.camera.value !== null
      await this.tellMutes()
    } catch {
      clearTimeout(this.publishTimer)
      this.publishTimer = setTimeout(() => void this.publish(false), REPUBLISH_AFTER_MS)
    } finally {
      this.isPublishing = false
    }
  }

  private async tellMutes(): Promise<void> {
    const isMicOn = this.media.isMicOn.value && this.media.microphone.value !== null
    const mute = (track: DeviceKind, muted: boolean) => this.client.ask('mute', { track, muted }).catch(() => undefined)
    await Promise.all([mute('microphone', !isMicOn), mute('camera', !this.isCameraOn.value)])
  }

  private deviceChanged(device: DeviceKind, track: MediaStreamTrack | null): void {
    void this.client.publisher?.swap(device, track).catch(() => undefined)
  }

  private rememberSeat(): void {
    const { roomId, join, isGuest } = this.intent
    if (this.resumeToken === null) return
    saveSeat(roomId, {
      resumeToken: this.resumeToken, atMs: Date.now(), join, isGuest,
      isMicOn: this.media.isMicOn.value, isCameraOn: this.media.camera.value !== null,
    })
  }

  private stop(): void {
    clearInterval(this.seatTimer)
    clearTimeout(this.publishTimer)
    this.media.close()
    this.screen.value?.stop()
    this.screen.value = null
  }
}
