/** One's own line in five steps, from what the browser counts and what the hub says; pure. */

export type QualityLevel = 0 | 1 | 2 | 3 | 4

export interface LineReading {
  atMs: number
  rttMs: number | null
  /** Packets of all received tracks so far. */
  received: number
  lost: number
  /** What the other side lost of ours, 0..1, by the newest report; null = nothing is sent. */
  remoteLoss: number | null
  sentBytes: number
  receivedBytes: number
}

type Report = Record<string, unknown> & { type: string }

function num(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

export function readingOfLine(reports: Iterable<Report>, atMs: number): LineReading {
  const line: LineReading = { atMs, rttMs: null, received: 0, lost: 0, remoteLoss: null, sentBytes: 0, receivedBytes: 0 }
  for (const report of reports) {
    if (report.type === 'candidate-pair' && report['nominated'] === true) {
      if (typeof report['currentRoundTripTime'] === 'number') line.rttMs = report['currentRoundTripTime'] * 1000
      line.sentBytes += num(report['bytesSent'])
      line.receivedBytes += num(report['bytesReceived'])
    }
    if (report.type === 'inbound-rtp') {
      line.received += num(report['packetsReceived'])
      line.lost += num(report['packetsLost'])
    }
    if (report.type === 'remote-inbound-rtp') line.remoteLoss = Math.max(line.remoteLoss ?? 0, num(report['fractionLost']))
  }
  return line
}

/** Loss since the reading before, 0..1. */
export function lossBetween(before: LineReading, now: LineReading): number {
  const lost = Math.max(0, now.lost - before.lost)
  const all = lost + Math.max(0, now.received - before.received)
  return Math.max(all < 20 ? 0 : lost / all, now.remoteLoss ?? 0)
}

export function levelOf(rttMs: number | null, loss: number, isConnected: boolean): QualityLevel {
  if (!isConnected) return 0
  const rtt = rttMs ?? 0
  if (loss > 0.15 || rtt > 1200) return 1
  if (loss > 0.06 || rtt > 600) return 2
  if (loss > 0.02 || rtt > 300) return 3
  return 4
}

/** The worse of the two directions is what a person feels. */
export function worst(levels: readonly (QualityLevel | null)[]): QualityLevel | null {
  const known = levels.filter((level) => level !== null)
  return known.length === 0 ? null : (Math.min(...known) as QualityLevel)
}
