/**
 * One tile's picture: a view of the page's session, judged by what arrives, asked for again with back-off when nothing
 * does. Which stream and how large is decided by whoever holds it; words are made in `tileWords`.
 */
import { ApiError } from '@/api/problem'
import { serverClock } from '@/api/http'
import type { SessionClient } from '@/session/client'
import type { LinkState } from '@/session/link'
import type { StatsReport } from '@/session/subscriber'
import type { View, ViewState } from '@/session/views'
import { figuresOf, readingOf, type LiveFigures, type Reading } from './liveStats'
import { PictureWatch, type AudioPath, type PictureState } from './pictureState'
import type { Size } from './quality'
import { retryAfterFailure } from './retryPolicy'

const TICK_MS = 500
const UNCOUNTED_MS = 1_500

export interface PictureListener {
  onState(state: PictureState): void
  onFigures(figures: LiveFigures | null): void
  /** The layer the hub sends, by its name. */
  onLayer(rid: string | null): void
  onMedia(media: MediaStream): void
}

export class TilePicture {
  private readonly media = new MediaStream()
  private readonly watch = new PictureWatch()
  private readonly picture: View
  private noise: View | null = null
  private audio: AudioPath = 'none'
  private attempt = 0
  private previous: Reading | null = null
  private state: PictureState = { kind: 'connecting' }
  private retry: ReturnType<typeof setTimeout> | undefined
  private readonly ticker: ReturnType<typeof setInterval>
  private countedMs = 0

  constructor(
    private readonly client: SessionClient,
    private readonly source: string,
    size: Size,
    private readonly listener: PictureListener,
  ) {
    this.watch.begin(performance.now())
    this.say({ kind: 'connecting' })
    this.ticker = setInterval(() => this.tick(), TICK_MS)
    this.picture = client.view(source, 'video', 'video', {
      onTrack: (track) => this.put('video', track),
      onState: (state) => this.viewChanged(state),
      onStats: (reports) => this.measured(reports),
    }, size)
  }

  resize(size: Size, isHidden: boolean): void {
    this.watch.pause(isHidden, performance.now())
    this.picture.resize(size.width, size.height, isHidden)
  }

  hear(isWished: boolean, path: AudioPath): void {
    this.audio = path
    if (isWished && path === 'passthrough') {
      this.noise ??= this.client.view(this.source, 'audio', 'audio', { onTrack: (track) => this.put('audio', track) })
    } else if (this.noise) {
      this.noise.close()
      this.noise = null
      this.put('audio', null)
    }
  }

  /** Something changed for the better (the camera is online again): do not sit out the wait. */
  retryNow(): void {
    if (this.state.kind !== 'failed') return
    this.attempt = 0
    this.again()
  }

  /** While there is no picture, what the line to the hub says is the reason. */
  lineSays(line: LinkState): void {
    const { state } = this
    if (state.kind !== 'connecting' && state.kind !== 'failed') return
    if (line.kind === 'ended') this.say({ kind: 'failed', error: wordless(line.code), retryAtMs: null })
    else if (line.kind === 'waiting') this.say({ kind: 'failed', error: wordless('network'), retryAtMs: line.retryAtMs })
    else if (line.kind === 'open' && state.kind === 'failed' && state.error.code === 'network') this.again()
  }

  close(): void {
    clearTimeout(this.retry)
    clearInterval(this.ticker)
    this.picture.close()
    this.noise?.close()
    for (const track of this.media.getTracks()) this.media.removeTrack(track)
  }

  private say(state: PictureState): void {
    this.state = state
    if (state.kind !== 'playing') this.listener.onFigures(null)
    this.listener.onState(state)
  }

  private put(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    for (const old of this.media.getTracks()) if (old.kind === kind && old !== track) this.media.removeTrack(old)
    if (track && !this.media.getTracks().includes(track)) this.media.addTrack(track)
    this.listener.onMedia(this.media)
  }

  private viewChanged(next: ViewState): void {
    this.listener.onLayer(next.kind === 'on' ? next.rid : null)
    if (next.kind === 'refused') this.fail(next.code)
    else if (this.state.kind === 'failed' && next.kind === 'on') this.wait()
  }

  /** Where the browser counts nothing (there is no slot, no connection), nothing comes either. */
  private tick(): void {
    if (performance.now() - this.countedMs > UNCOUNTED_MS) this.judge(null)
  }

  private measured(reports: StatsReport[]): void {
    const now = readingOf(reports)
    this.countedMs = performance.now()
    this.judge(now)
    if (now && this.previous && this.state.kind === 'playing')
      this.listener.onFigures(figuresOf(this.previous, now, serverClock.now(), serverClock.errorMs))
    this.previous = now
  }

  private judge(reading: Reading | null): void {
    const nowMs = performance.now()
    const verdict = this.watch.see(reading, nowMs)
    if (verdict === 'playing') {
      clearTimeout(this.retry)
      this.attempt = 0
      this.say({ kind: 'playing', audio: this.audio, frozenMs: this.watch.frozenMs(nowMs) })
    } else if (verdict !== 'waiting' && this.state.kind !== 'failed') this.fail(verdict)
  }

  private fail(code: string): void {
    const error = wordless(code)
    const waitMs = retryAfterFailure(error, this.attempt, Math.random())
    this.attempt += 1
    this.say({ kind: 'failed', error, retryAtMs: waitMs === null ? null : Date.now() + waitMs })
    clearTimeout(this.retry)
    if (waitMs !== null) this.retry = setTimeout(() => this.again(), waitMs)
  }

  private wait(): void {
    clearTimeout(this.retry)
    this.watch.begin(performance.now())
    this.say({ kind: 'connecting' })
  }

  private again(): void {
    this.wait()
    this.picture.again()
  }
}

function wordless(code: string): ApiError {
  return new ApiError(code, 0, '', '', null)
}
