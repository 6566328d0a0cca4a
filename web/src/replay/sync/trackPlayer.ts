/** One recorded track in one `<video>`, kept at the time of the clock that all tracks share. */
import { isoOf } from '@/time/format'
import { HlsFeed } from '../hlsFeed'
import { positionOf } from '../mediaTime'
import { correctionOf, isRecorded, type SpanMs } from './masterClock'

export type TrackState = 'gap' | 'loading' | 'playing' | 'failed'

const WINDOW_MS = 3600_000
const LEAD_MS = 30_000
const BUFFER_S = 20

export class TrackPlayer {
  private feed: HlsFeed | null = null
  private window: SpanMs | null = null
  private isFailed = false
  private shownMs = Number.NaN

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    readonly spans: readonly SpanMs[],
    private readonly whole: SpanMs,
  ) {}

  /** Follows the clock; says what there is to see. */
  follow(wallMs: number, isRunning: boolean, speed: number): TrackState {
    if (this.isFailed) return 'failed'
    if (!isRecorded(this.spans, wallMs)) {
      this.video.pause()
      return 'gap'
    }
    this.ensureWindow(wallMs)
    const position = this.feed ? positionOf(this.feed.fragments, wallMs) : null
    if (!position || position.skipped) return this.feed?.isListed ? 'gap' : 'loading'
    this.steer(position.mediaS, isRunning, speed)
    const isReady = this.video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA && !this.video.seeking
    if (isReady && isRunning && this.video.paused) void this.video.play().catch(() => undefined)
    if (!isRunning) this.video.pause()
    return isReady ? 'playing' : 'loading'
  }

  close(): void {
    this.feed?.close()
    this.feed = null
    this.video.pause()
  }

  private steer(mediaS: number, isRunning: boolean, speed: number): void {
    const { video } = this
    if (!isRunning) {
      if (Math.abs(video.currentTime - mediaS) > 0.05 && !video.seeking && this.shownMs !== mediaS) {
        this.shownMs = mediaS
        video.currentTime = mediaS
      }
      return
    }
    if (video.seeking) return
    const correction = correctionOf(mediaS - video.currentTime, speed)
    if (correction.kind === 'seek') video.currentTime = mediaS
    else if (video.playbackRate !== correction.rate) video.playbackRate = correction.rate
  }

  private ensureWindow(wallMs: number): void {
    if (this.window && wallMs >= this.window.startMs && wallMs < this.window.endMs) return
    this.feed?.close()
    const startMs = Math.max(this.whole.startMs, wallMs - LEAD_MS)
    const window = { startMs, endMs: Math.max(startMs + 1000, Math.min(this.whole.endMs, startMs + WINDOW_MS)) }
    this.window = window
    const range = new URLSearchParams({ start: isoOf(window.startMs), end: isoOf(window.endMs) }).toString()
    this.feed = new HlsFeed(this.video, {
      url: `${this.url}?${range}`,
      bufferS: BUFFER_S,
      onListed: (feed) => feed.start(positionOf(feed.fragments, wallMs)?.mediaS ?? 0),
      onFailed: () => (this.isFailed = true),
    })
  }
}
