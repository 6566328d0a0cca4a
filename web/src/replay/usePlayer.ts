/**
 * Plays recordings of one camera by wall-clock time: a playlist of about an hour, moved on when it runs out. From 4×
 * on it plays the playlist of key pictures, and goes back to that of all pictures at the same moment for everything
 * that needs them. Mapping and policy are in `mediaTime` and `speed`, hls.js in `hlsFeed`.
 */
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import type { ApiError } from '@/api/problem'
import { replay } from '@/api/endpoints'
import { isoOf } from '@/time/format'
import { HlsFeed } from './hlsFeed'
import { isGapBetween, positionOf, wallOf, windowFor, type PlayWindow, type Shown } from './mediaTime'
import { bufferAheadS, frameStepS, isKeysOnly, PaceWatch, Stepper, type Speed } from './speed'
import { aheadOf, holdPicture, releasePicture } from './stillPicture'

export type PlayerPhase = 'idle' | 'opening' | 'ready' | 'ended' | 'failed'

export interface PlayerSource {
  cameraId: string
  day: PlayWindow
  nowMs: () => number
  /** Makes sure a grant covers the window; false = not allowed by the person at the keyboard. */
  permit: (window: PlayWindow) => Promise<boolean>
}

/** How a playlist is opened: `quietly` keeps the last picture instead of saying so; `paused` shows one picture. */
interface Opening {
  quietly?: boolean
  paused?: boolean
}

/** Recordings reach the disk about this much later than they happen. */
const LIVE_EDGE_MS = 5_000
const PACE_EVERY_MS = 500
/** Less than half a picture is no fault. */
const AIM_S = 0.015

class RecordingPlayer {
  readonly phase = ref<PlayerPhase>('idle')
  readonly wallMs = ref<number | null>(null)
  readonly playing = ref(false)
  readonly speed = ref<Speed>(1)
  readonly failure = shallowRef<ApiError | null>(null)
  /** Where play went on when it came to a gap by itself; an object for each time. */
  readonly skipped = shallowRef<{ toMs: number } | null>(null)
  private feed: HlsFeed | null = null
  /** Whether the feed is the one of key pictures. */
  private keys = false
  /** The browser did not keep up with its own playing; from then on seeks step over key pictures. */
  private steps = false
  private span: PlayWindow | null = null
  private timer: ReturnType<typeof setInterval> | undefined
  private shown: Shown | null = null
  /** Where the opening went before anything was loaded; put right with the first picture. */
  private aim: Shown | null = null
  private frameS: number | null = null
  /** Counts openings, so that an answer that comes late does not undo a newer one. */
  private turn = 0

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
    if (this.video.value) releasePicture(this.video.value)
  }

  async open(targetMs: number, how: Opening = {}): Promise<void> {
    const from = this.source()
    if (!from) return
    const turn = (this.turn += 1)
    const window = windowFor(targetMs, from.day, from.nowMs())
    this.failure.value = null
    if (!(await from.permit(window)) || turn !== this.turn) return
    if (this.video.value && how.quietly) holdPicture(this.video.value)
    this.teardown()
    this.span = window
    if (!how.quietly) this.phase.value = 'opening'
    this.wallMs.value = targetMs
    this.keys = !how.paused && isKeysOnly(this.speed.value)
    this.feed = new HlsFeed(this.video.value, {
      url: replay.playlistUrl(from.cameraId, isoOf(window.startMs), isoOf(window.endMs), this.keys),
      bufferS: bufferAheadS(this.speed.value),
      onListed: (feed) => this.begin(feed, targetMs, how),
      onFailed: (failure) => this.fail(failure),
    })
  }

  seek(targetMs: number): void {
    const { span } = this
    const inside = span !== null && targetMs >= span.startMs && targetMs < span.endMs && this.feed?.isListed
    const position = inside ? positionOf(this.feed?.fragments ?? [], targetMs) : null
    const element = this.video.value
    if (!position || !element || this.phase.value === 'failed') {
      void this.open(targetMs)
      return
    }
    if (this.keys !== this.wantsKeys) {
      void this.open(targetMs, { quietly: true, paused: !this.playing.value })
      return
    }
    this.wallMs.value = position.wallMs
    this.shown = this.aim = null
    this.phase.value = 'ready'
    element.currentTime = position.mediaS
    if (this.playing.value) this.run(element)
  }

  play(): void {
    this.playing.value = true
    const element = this.video.value
    if (!element) return
    if (this.feed && this.keys !== this.wantsKeys && this.wallMs.value !== null) {
      clearInterval(this.timer)
      void this.open(this.wallMs.value, { quietly: this.phase.value === 'ready' })
    } else this.run(element)
  }

  pause(): void {
    this.playing.value = false
    clearInterval(this.timer)
    this.video.value?.pause()
  }

  setSpeed(next: Speed): void {
    this.speed.value = next
    if (this.playing.value) this.play()
  }

  stepFrame(by: 1 | -1, cameraFps: number | null | undefined): void {
    this.pause()
    const element = this.video.value
    if (!element) return
    // A hair past the edge, so that the picture meant is the one shown whatever the rounding.
    const deltaS = by * frameStepS(this.frameS, cameraFps) + 0.001
    if (!this.keys) element.currentTime = Math.max(0, (this.shown?.mediaS ?? element.currentTime) + deltaS)
    else if (this.wallMs.value !== null) void this.open(this.wallMs.value + deltaS * 1000, { quietly: true, paused: true })
  }

  /** Begins to listen to a `<video>` that has just appeared. */
  adopt(element: HTMLVideoElement): void {
    element.requestVideoFrameCallback(this.onFrame)
    element.addEventListener('ended', this.onEnded)
  }

  private get wantsKeys(): boolean {
    return this.playing.value && isKeysOnly(this.speed.value)
  }

  private teardown(): void {
    clearInterval(this.timer)
    this.feed?.close()
    this.feed = null
    this.shown = this.aim = null
    this.span = null
  }

  private begin(feed: HlsFeed, targetMs: number, how: Opening): void {
    const position = positionOf(feed.fragments, targetMs)
    if (!position) {
      this.finish()
      return
    }
    if (position.skipped) this.skipped.value = { toMs: position.wallMs }
    this.wallMs.value = position.wallMs
    feed.start(position.mediaS)
    if (!this.video.value) return
    this.video.value.currentTime = position.mediaS
    this.aim = position
    this.phase.value = 'ready'
    if (!how.paused && (this.playing.value || !how.quietly)) this.play()
  }

  /** Lets the pictures of the feed run at the chosen speed. */
  private run(element: HTMLVideoElement): void {
    clearInterval(this.timer)
    if (this.keys && this.steps) {
      this.runBySteps(element)
      return
    }
    try {
      element.playbackRate = this.speed.value
    } catch {
      this.steps = true
      this.runBySteps(element)
      return
    }
    void element.play().catch(() => undefined)
    if (!this.keys) return
    const pace = new PaceWatch(this.speed.value)
    this.timer = setInterval(() => {
      const sample = { nowMs: performance.now(), mediaS: element.currentTime, aheadS: aheadOf(element) }
      if (document.hidden || !pace.isTooSlow(sample)) return
      this.steps = true
      this.run(element)
    }, PACE_EVERY_MS)
  }

  private runBySteps(element: HTMLVideoElement): void {
    element.pause()
    const stepper = new Stepper(this.wallMs.value ?? 0, performance.now(), this.speed.value)
    this.timer = setInterval(() => {
      if (element.seeking || element.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return
      const targetMs = stepper.targetMs(performance.now())
      const position = positionOf(this.feed?.fragments ?? [], targetMs)
      if (!position) {
        this.onEnded()
        return
      }
      if (position.wallMs > targetMs) stepper.moveTo(position.wallMs, performance.now())
      element.currentTime = position.mediaS
    }, Stepper.intervalMs)
  }

  private fail(failure: ApiError): void {
    this.phase.value = 'failed'
    this.playing.value = false
    clearInterval(this.timer)
    this.failure.value = failure
  }

  private readonly onFrame = (_: number, metadata: VideoFrameCallbackMetadata): void => {
    const element = this.video.value
    const wallMs = this.feed ? wallOf(this.feed.fragments, metadata.mediaTime) : null
    if (wallMs !== null && this.phase.value === 'ready') this.show({ mediaS: metadata.mediaTime, wallMs })
    if (!element) return
    releasePicture(element)
    this.correctAim(element)
    element.requestVideoFrameCallback(this.onFrame)
  }

  /** Fragments whose sound begins first turn out to lie elsewhere than the playlist alone lets one think. */
  private correctAim(element: HTMLVideoElement): void {
    const { aim } = this
    this.aim = null
    const offS = aim ? (positionOf(this.feed?.fragments ?? [], aim.wallMs)?.mediaS ?? aim.mediaS) - aim.mediaS : 0
    if (Math.abs(offS) < AIM_S) return
    this.shown = null
    element.currentTime = Math.max(0, element.currentTime + offS)
  }

  private show(now: Shown): void {
    const before = this.shown
    this.shown = now
    this.wallMs.value = now.wallMs
    if (!before || !this.playing.value) return
    if (isGapBetween(before, now)) this.skipped.value = { toMs: now.wallMs }
    const deltaS = now.mediaS - before.mediaS
    const isRegular = deltaS > 0.005 && deltaS < 0.5 && this.speed.value <= 1
    if (isRegular) this.frameS = this.frameS === null ? deltaS : Math.min(this.frameS, deltaS)
  }

  private readonly onEnded = (): void => {
    const from = this.source()
    const endMs = this.span?.endMs ?? 0
    const goesOn = from && this.span && endMs < Math.min(from.day.endMs, from.nowMs() - LIVE_EDGE_MS)
    if (goesOn) void this.open(endMs, { quietly: true })
    else this.finish()
  }

  private finish(): void {
    clearInterval(this.timer)
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
