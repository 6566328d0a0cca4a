/** Figures of a running picture, from two readings of `RTCPeerConnection.getStats()`; pure. */

export interface Reading {
  atMs: number
  bytes: number
  framesDecoded: number
  packetsReceived: number
  packetsLost: number
  jitterBufferDelayS: number
  jitterBufferEmitted: number
  /** Sender's NTP time of the picture on the screen, ms since 1900, when the browser knows it. */
  playoutNtpMs: number | null
  rttMs: number | null
  width: number
  height: number
}

export interface LiveFigures {
  fps: number
  bitrateBps: number
  lossPercent: number
  delayMs: number | null
  width: number
  height: number
  moving: boolean
}

const NTP_TO_UNIX_MS = 2_208_988_800_000

type Report = Record<string, unknown> & { type: string; timestamp: number }

function num(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

export function readingOf(reports: Iterable<Report>): Reading | null {
  let video: Report | null = null
  let rttMs: number | null = null
  for (const report of reports) {
    if (report.type === 'inbound-rtp' && report['kind'] === 'video') video = report
    if (report.type === 'candidate-pair' && report['nominated'] === true && typeof report['currentRoundTripTime'] === 'number')
      rttMs = report['currentRoundTripTime'] * 1000
  }
  if (video === null) return null
  const playout = video['estimatedPlayoutTimestamp']
  return {
    atMs: video.timestamp,
    bytes: num(video['bytesReceived']),
    framesDecoded: num(video['framesDecoded']),
    packetsReceived: num(video['packetsReceived']),
    packetsLost: num(video['packetsLost']),
    jitterBufferDelayS: num(video['jitterBufferDelay']),
    jitterBufferEmitted: num(video['jitterBufferEmittedCount']),
    playoutNtpMs: typeof playout === 'number' && playout > 0 ? playout : null,
    rttMs,
    width: num(video['frameWidth']),
    height: num(video['frameHeight']),
  }
}

/**
 * What this browser adds for certain (buffer and half a round trip), or more where the sender's clock shows more than
 * the comparison of the two clocks can be wrong by.
 */
function delayMs(previous: Reading, now: Reading, serverNowMs: number, clockErrorMs: number): number | null {
  const emitted = now.jitterBufferEmitted - previous.jitterBufferEmitted
  const buffered = emitted > 0 ? ((now.jitterBufferDelayS - previous.jitterBufferDelayS) / emitted) * 1000 : null
  const local = buffered === null ? null : (now.rttMs ?? 0) / 2 + buffered
  if (now.playoutNtpMs === null) return local
  const bySender = serverNowMs - (now.playoutNtpMs - NTP_TO_UNIX_MS)
  if (bySender < -2000 || bySender > 60_000) return local
  return Math.max(local ?? 0, bySender - clockErrorMs)
}

export function figuresOf(previous: Reading, now: Reading, serverNowMs: number, clockErrorMs: number): LiveFigures {
  const seconds = Math.max(0.001, (now.atMs - previous.atMs) / 1000)
  const frames = now.framesDecoded - previous.framesDecoded
  const lost = Math.max(0, now.packetsLost - previous.packetsLost)
  const expected = lost + Math.max(0, now.packetsReceived - previous.packetsReceived)
  return {
    fps: Math.max(0, frames / seconds),
    bitrateBps: Math.max(0, ((now.bytes - previous.bytes) * 8) / seconds),
    lossPercent: expected === 0 ? 0 : (lost / expected) * 100,
    delayMs: delayMs(previous, now, serverNowMs, clockErrorMs),
    width: now.width,
    height: now.height,
    moving: frames > 0,
  }
}
