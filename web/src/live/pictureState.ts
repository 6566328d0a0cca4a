/** The life of one picture as its tile knows it; pure. */
import { ApiError } from '@/api/problem'
import type { Reading } from './liveStats'

export type AudioPath = 'passthrough' | 'none' | 'aac-later'

export type PictureState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'playing'; audio: AudioPath; frozenMs: number }
  | { kind: 'failed'; error: ApiError; retryAtMs: number | null }

/** Sound a browser plays as it comes from the camera; AAC is not in WebRTC. */
export function audioPathOf(codec: string | null | undefined): AudioPath {
  if (!codec) return 'none'
  return /^(opus|pcma|pcmu|g711)/i.test(codec) ? 'passthrough' : 'aac-later'
}

export const FIRST_PICTURE_LIMIT_MS = 12_000
export const FROZEN_LIMIT_MS = 5_000

export type Verdict = 'waiting' | 'playing' | 'no_media' | 'picture_frozen'

/** Judges whether a picture comes, moves, or stands still; time is an argument. */
export class PictureWatch {
  private startedMs = 0
  private movedMs = 0
  private frames = 0
  private isPlaying = false
  private isPaused = false

  begin(nowMs: number): void {
    this.startedMs = this.movedMs = nowMs
    this.isPlaying = false
  }

  /** A picture nobody sees (tab in the background) is paused and owes nothing. */
  pause(isPaused: boolean, nowMs: number): void {
    if (this.isPaused && !isPaused) this.startedMs = this.movedMs = nowMs
    this.isPaused = isPaused
  }

  frozenMs(nowMs: number): number {
    return this.isPaused ? 0 : nowMs - this.movedMs
  }

  see(reading: Reading | null, nowMs: number): Verdict {
    if (reading && reading.framesDecoded !== this.frames) {
      // The slot's counter goes on over sources and may begin anew; only a change says that a picture came.
      if (reading.framesDecoded > this.frames) {
        this.isPlaying = true
        this.movedMs = nowMs
      }
      this.frames = reading.framesDecoded
    }
    if (this.isPaused) return this.isPlaying ? 'playing' : 'waiting'
    if (!this.isPlaying) return nowMs - this.startedMs > FIRST_PICTURE_LIMIT_MS ? 'no_media' : 'waiting'
    return nowMs - this.movedMs > FROZEN_LIMIT_MS ? 'picture_frozen' : 'playing'
  }
}
