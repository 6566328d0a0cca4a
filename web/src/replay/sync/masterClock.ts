/** The one clock of a synchronised player, and how far a picture may be from it; pure, time is an argument. */

export class MasterClock {
  private wallMs: number
  private sinceMs: number | null = null
  speed = 1

  constructor(startMs: number) {
    this.wallMs = startMs
  }

  get isRunning(): boolean {
    return this.sinceMs !== null
  }

  at(nowMs: number): number {
    return this.sinceMs === null ? this.wallMs : this.wallMs + (nowMs - this.sinceMs) * this.speed
  }

  run(nowMs: number): void {
    this.sinceMs ??= nowMs
  }

  hold(nowMs: number): void {
    this.wallMs = this.at(nowMs)
    this.sinceMs = null
  }

  seek(wallMs: number, nowMs: number): void {
    this.wallMs = wallMs
    if (this.sinceMs !== null) this.sinceMs = nowMs
  }

  setSpeed(speed: number, nowMs: number): void {
    this.wallMs = this.at(nowMs)
    if (this.sinceMs !== null) this.sinceMs = nowMs
    this.speed = speed
  }
}

/** Lips and voice are felt to be apart from about this on. */
const CLOSE_S = 0.04
const FAR_S = 0.4
/** A change of speed that nobody hears. */
const MOST_BEND = 0.06

export type Correction = { kind: 'seek' } | { kind: 'rate'; rate: number }

/** `behindS`: how far the picture is behind the clock (negative: ahead). */
export function correctionOf(behindS: number, speed: number): Correction {
  if (Math.abs(behindS) > FAR_S * Math.max(1, speed)) return { kind: 'seek' }
  if (Math.abs(behindS) < CLOSE_S) return { kind: 'rate', rate: speed }
  const bend = Math.max(-MOST_BEND, Math.min(MOST_BEND, behindS * 0.3))
  return { kind: 'rate', rate: Number((speed * (1 + bend)).toFixed(3)) }
}

export interface SpanMs {
  startMs: number
  endMs: number
}

export function isRecorded(spans: readonly SpanMs[], wallMs: number): boolean {
  return spans.some((span) => wallMs >= span.startMs && wallMs < span.endMs)
}

/** The next moment from `wallMs` on at which any track has something; null when nothing comes any more. */
export function nextRecordedOf(tracks: readonly (readonly SpanMs[])[], wallMs: number): number | null {
  let next: number | null = null
  for (const spans of tracks)
    for (const span of spans) {
      if (wallMs >= span.startMs && wallMs < span.endMs) return wallMs
      if (span.startMs > wallMs && (next === null || span.startMs < next)) next = span.startMs
    }
  return next
}
