/**
 * Lets a voice wait for the picture it belongs to; pure. A picture that comes over a bad line is played late, so that
 * what was lost comes in time; its voice, which has nothing to wait for, would be heard before the lips move.
 */
import type { StatsReport } from './subscriber'

/** Sooner than this nobody notices (ITU-R BT.1359: sound may lead by 45 ms and lag by 125 ms). */
const LEAST_MS = 60
const MOST_MS = 400
/** A change a listener would hear is not made for less. */
const STEP_MS = 30

interface Played {
  delayS: number
  count: number
}

export class LipSync {
  private before = new Map<string, Played>()
  private waiting = new Map<string, number>()

  /** `pairs`: audio mid → video mid of the same person. Returns for each audio mid what changed: ms to wait, null for none. */
  next(pairs: ReadonlyMap<string, string>, reports: ReadonlyMap<string, readonly StatsReport[]>): Map<string, number | null> {
    const lags = new Map<string, number>()
    for (const mid of new Set(pairs.values())) {
      const lag = this.lagMs(mid, reports.get(mid) ?? [])
      if (lag !== null) lags.set(mid, lag)
    }
    const changes = new Map<string, number | null>()
    for (const mid of this.waiting.keys()) if (!pairs.has(mid)) changes.set(mid, null)
    for (const [audio, video] of pairs) {
      const lag = lags.get(video)
      if (lag === undefined) continue
      const wanted = lag < LEAST_MS ? 0 : Math.min(Math.round(lag), MOST_MS)
      if (Math.abs(wanted - (this.waiting.get(audio) ?? 0)) >= STEP_MS) changes.set(audio, wanted || null)
    }
    for (const [mid, wait] of changes) {
      if (wait === null) this.waiting.delete(mid)
      else this.waiting.set(mid, wait)
    }
    return changes
  }

  /** How long pictures waited since the last look, on average; null when none was shown. */
  private lagMs(mid: string, reports: readonly StatsReport[]): number | null {
    const report = reports.find((each) => each.type === 'inbound-rtp')
    const now: Played = { delayS: Number(report?.['jitterBufferDelay'] ?? 0), count: Number(report?.['jitterBufferEmittedCount'] ?? 0) }
    const before = this.before.get(mid)
    this.before.set(mid, now)
    const shown = before ? now.count - before.count : 0
    return before && shown > 0 ? (1000 * (now.delayS - before.delayS)) / shown : null
  }
}
