/**
 * Plays recordings of one camera by wall-clock time: hls.js over the VOD playlist of about an hour, moved on when it
 * runs out. Speeds from 4× step through key pictures by seeking. Mapping and policy are in `mediaTime` and `speed`.
 */
import Hls, { ErrorDetails, Events, type ErrorData, type LevelDetails } from 'hls.js'
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import { ApiError, problemOf } from '@/api/problem'
import { replay } from '@/api/endpoints'
import { session } from '@/api/http'
import { isoOf } from '@/time/format'
import { positionOf, wallOf, windowFor, type Fragment, type PlayWindow } from './mediaTime'
import { frameStepS, stepPlan, type Speed } from './speed'

export type PlayerPhase = 'idle' | 'opening' | 'ready' | 'ended' | 'failed'

export interface PlayerSource {
  cameraId: string
  day: PlayWindow
  nowMs: () => number
  /** Makes sure a grant covers the window; false = not allowed by the person at the keyboard. */
  permit: (window: PlayWindow) => Promise<boolean>
}

/** Recordings reach the disk about this much later than they happen. */
const LIVE_EDGE_MS = 5_000
const MAX_RECOVERIES = 2

function fragmentsOf(details: LevelDetails | null): Fragment[] {
  const list: Fragment[] = []
  for (const fragment of details?.fragments ?? []) {
    const wallMs = fragment.programDateTime
    if (wallMs !== null) list.push({ startS: fragment.start, durationS: fragment.duration, wallMs })
  }
  return list
}

/** What stopped the player, as an error with words; codecs are told apart because there waiting is no cure. */
function failureOf(data: ErrorData): ApiError {
  const { BUFFER_ADD_CODEC_ERROR, BUFFER_INCOMPATIBLE_CODECS_ERROR, MANIFEST_INCOMPATIBLE_CODECS_ERROR } = ErrorDetails
  if ([BUFFER_ADD_CODEC_ERROR, BUFFER_INCOMPATIBLE_CODECS_ERROR, MANIFEST_INCOMPATIBLE_CODECS_ERROR].includes(data.details))
    return new ApiError('replay_codec', 0, '', '', null)
  const status = data.response?.code ?? 0
  if (status >= 400) {
    const request: unknown = data.networkDetails
    return problemOf(status, request instanceof XMLHttpRequest ? request.responseText : '', null, null)
  }
  return new ApiError(data.type === Hls.ErrorTypes.NETWORK_ERROR ? 'network' : 'replay_broken', 0, '', '', null)
}

class RecordingPlayer {
  readonly phase = ref<PlayerPhase>('idle')
  readonly wallMs = ref<number | null>(null)
  readonly playing = ref(false)
  readonly speed = ref<Speed>(1)
  readonly failure = shallowRef<ApiError | null>(null)
  private hls: Hls | null = null
  private details: LevelDetails | null = null
  private span: PlayWindow | null = null
  private stepTimer: ReturnType<typeof setInterval> | undefined
  private lastMediaS = 0
  private frameS: number | null = null
  /** Counts openings, so that an answer that comes late does not undo a newer one. */
  private turn = 0
  private recoveries = 0

  constructor(
    private readonly video: Ref<HTMLVideoElement | null>,
    private readonly source: () => PlayerSource | null,
  ) {}

  close(): void {
    this.turn += 1
    this.teardown()
    this.phase.value = 'idle'
    this.wallMs.value = null
    this.playing.value = false
  }

  async open(targetMs: number): Promise<void> {
    const from = this.source()
    if (!from) return
    const turn = (this.turn += 1)
    const window = windowFor(targetMs, from.day, from.nowMs())
    this.failure.value = null
    if (!(await from.permit(window)) || turn !== this.turn) return
    this.teardown()
    this.span = window
    this.recoveries = 0
    this.phase.value = 'opening'
    this.wallMs.value = targetMs
    this.attach(replay.playlistUrl(from.cameraId, isoOf(window.startMs), isoOf(window.endMs)), targetMs)
  }

  seek(targetMs: number): void {
    const { span } = this
    const inside = span !== null && targetMs >= span.startMs && targetMs < span.endMs && this.details !== null
    const position = inside ? positionOf(fragmentsOf(this.details), targetMs) : null
    const element = this.video.value
    if (!position || !element || this.phase.value === 'failed') {
      void this.open(targetMs)
      return
    }
    this.wallMs.value = position.wallMs
    this.phase.value = 'ready'
    element.currentTime = position.mediaS
    if (this.playing.value && stepPlan(this.speed.value) === null) void element.play().catch(() => undefined)
  }

  play(): void {
    this.playing.value = true
    clearInterval(this.stepTimer)
    const element = this.video.value
    if (!element) return
    const plan = stepPlan(this.speed.value)
    if (plan === null) {
      element.playbackRate = this.speed.value
      void element.play().catch(() => undefined)
      return
    }
    element.pause()
    this.stepTimer = setInterval(() => this.step(element, plan.stepMs), plan.intervalMs)
  }

  pause(): void {
    this.playing.value = false
    clearInterval(this.stepTimer)
    this.video.value?.pause()
  }

  setSpeed(next: Speed): void {
    this.speed.value = next
    if (this.playing.value) this.play()
  }

  stepFrame(by: 1 | -1, cameraFps: number | null | undefined): void {
    this.pause()
    if (!this.video.value) return
    // A hair past the edge, so that the picture meant is the one shown whatever the rounding.
    this.video.value.currentTime = Math.max(0, this.lastMediaS + by * frameStepS(this.frameS, cameraFps) + 0.001)
  }

  /** Begins to listen to a `<video>` that has just appeared. */
  adopt(element: HTMLVideoElement): void {
    element.requestVideoFrameCallback(this.onFrame)
    element.addEventListener('ended', this.onEnded)
  }

  private teardown(): void {
    clearInterval(this.stepTimer)
    this.hls?.destroy()
    this.hls = null
    this.details = null
    this.span = null
  }

  private attach(url: string, targetMs: number): void {
    const hls = (this.hls = new Hls({
      // A worker would be made of a blob and brings nothing here: the fragments need no remuxing.
      enableWorker: false,
      autoStartLoad: false,
      maxBufferLength: 20,
      backBufferLength: 60,
      xhrSetup: (xhr) => {
        for (const [name, value] of Object.entries(session.bearer)) xhr.setRequestHeader(name, value)
      },
    }))
    hls.on(Events.LEVEL_LOADED, (_, data) => {
      const isFirst = this.details === null
      this.details = data.details
      if (isFirst) this.begin(hls, targetMs)
    })
    hls.on(Events.ERROR, (_, data) => this.onError(hls, data))
    hls.loadSource(url)
    if (this.video.value) hls.attachMedia(this.video.value)
  }

  private begin(hls: Hls, targetMs: number): void {
    const position = positionOf(fragmentsOf(this.details), targetMs)
    if (!position) {
      this.finish()
      return
    }
    this.wallMs.value = position.wallMs
    hls.startLoad(position.mediaS)
    if (!this.video.value) return
    this.video.value.currentTime = position.mediaS
    this.phase.value = 'ready'
    this.play()
  }

  private onError(hls: Hls, data: ErrorData): void {
    if (!data.fatal || hls !== this.hls) return
    const failure = failureOf(data)
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && failure.code !== 'replay_codec' && this.recoveries < MAX_RECOVERIES) {
      this.recoveries += 1
      hls.recoverMediaError()
      return
    }
    this.phase.value = 'failed'
    this.playing.value = false
    clearInterval(this.stepTimer)
    this.failure.value = failure
  }

  private step(element: HTMLVideoElement, stepMs: number): void {
    const from = this.source()
    if (!from || element.seeking || this.wallMs.value === null || this.phase.value !== 'ready') return
    const nextMs = this.wallMs.value + stepMs
    if (nextMs < Math.min(from.day.endMs, from.nowMs() - LIVE_EDGE_MS)) this.seek(nextMs)
    else this.finish()
  }

  private readonly onFrame = (_: number, metadata: VideoFrameCallbackMetadata): void => {
    const deltaS = metadata.mediaTime - this.lastMediaS
    const regular = deltaS > 0.005 && deltaS < 0.5 && this.playing.value && this.speed.value <= 1
    if (regular) this.frameS = this.frameS === null ? deltaS : Math.min(this.frameS, deltaS)
    this.lastMediaS = metadata.mediaTime
    const wall = wallOf(fragmentsOf(this.details), metadata.mediaTime)
    if (wall !== null && this.phase.value === 'ready') this.wallMs.value = wall
    this.video.value?.requestVideoFrameCallback(this.onFrame)
  }

  private readonly onEnded = (): void => {
    const from = this.source()
    const endMs = this.span?.endMs ?? 0
    if (from && this.span && endMs < Math.min(from.day.endMs, from.nowMs() - LIVE_EDGE_MS)) void this.open(endMs)
    else this.finish()
  }

  private finish(): void {
    clearInterval(this.stepTimer)
    this.phase.value = 'ended'
    this.playing.value = false
  }
}

export function usePlayer(video: Ref<HTMLVideoElement | null>, source: () => PlayerSource | null): RecordingPlayer {
  const player = new RecordingPlayer(video, source)
  watch(video, (element) => element && player.adopt(element), { immediate: true })
  onBeforeUnmount(() => player.close())
  return player
}
