/**
 * Server time from HTTP `Date` headers. A header has whole seconds, so each answer only bounds the offset:
 * server time lay within [date, date + 1 s) somewhere between sending and receiving. Bounds of many answers are
 * intersected; when they contradict (one of the clocks was set), the newest wins.
 */
export class ServerClock {
  private lowMs = -Infinity
  private highMs = Infinity

  observe(dateMs: number, sentMs: number, receivedMs: number): void {
    if (!Number.isFinite(dateMs) || receivedMs < sentMs) return
    const low = dateMs - receivedMs
    const high = dateMs + 1000 - sentMs
    const nextLow = Math.max(this.lowMs, low)
    const nextHigh = Math.min(this.highMs, high)
    if (nextLow <= nextHigh) {
      this.lowMs = nextLow
      this.highMs = nextHigh
    } else {
      this.lowMs = low
      this.highMs = high
    }
  }

  /** Server minus local time. 0 until the first answer. */
  get offsetMs(): number {
    return Number.isFinite(this.lowMs) && Number.isFinite(this.highMs) ? (this.lowMs + this.highMs) / 2 : 0
  }

  /** How far `offsetMs` may be off. */
  get errorMs(): number {
    return Number.isFinite(this.lowMs) && Number.isFinite(this.highMs) ? (this.highMs - this.lowMs) / 2 : Infinity
  }

  now(localMs: number = Date.now()): number {
    return localMs + this.offsetMs
  }
}
