/**
 * Playing speeds. Up to 2× every picture is played; from 4× key pictures only, from a playlist that holds no others,
 * so that a 16× search costs no more bytes and decoding than watching. Where even those stutter, seeks step over
 * them; pure.
 */
export const SPEEDS = [0.5, 1, 2, 4, 8, 16] as const
export type Speed = (typeof SPEEDS)[number]

export const KEYS_FROM = 4
/** At most this often a seek: more would only be aborted. */
const STEP_INTERVAL_MS = 200

export function isKeysOnly(speed: Speed): boolean {
  return speed >= KEYS_FROM
}

/** How much footage to hold ready: some ten seconds of play at any speed. */
export function bufferAheadS(speed: Speed): number {
  return isKeysOnly(speed) ? 180 : 20
}

/** Where stepping should be by now; it keeps its speed however long single seeks take. */
export class Stepper {
  static readonly intervalMs = STEP_INTERVAL_MS
  constructor(
    private fromWallMs: number,
    private sinceMs: number,
    private readonly speed: Speed,
  ) {}

  targetMs(nowMs: number): number {
    return this.fromWallMs + (nowMs - this.sinceMs) * this.speed
  }

  /** Goes on from another moment: after a gap, or when loading took its time. */
  moveTo(wallMs: number, nowMs: number): void {
    this.fromWallMs = wallMs
    this.sinceMs = nowMs
  }
}

export interface PaceSample {
  nowMs: number
  mediaS: number
  /** How much is there to be played at once. */
  aheadS: number
}

/** Long enough that one slow picture is forgiven. */
const PACE_WINDOW_MS = 3000
const PACE_TOO_SLOW = 0.6

/** Notices that the browser does not keep a speed although there is enough to play. */
export class PaceWatch {
  private samples: PaceSample[] = []
  constructor(private readonly speed: Speed) {}

  isTooSlow(sample: PaceSample): boolean {
    const last = this.samples.at(-1)
    const hasStarved = sample.aheadS < this.speed
    if (hasStarved || (last && sample.mediaS < last.mediaS)) {
      this.samples = []
      return false
    }
    this.samples.push(sample)
    const first = this.samples[0] as PaceSample
    const elapsedMs = sample.nowMs - first.nowMs
    if (elapsedMs < PACE_WINDOW_MS) return false
    this.samples.shift()
    return ((sample.mediaS - first.mediaS) * 1000) / elapsedMs < this.speed * PACE_TOO_SLOW
  }
}

export function nextSpeed(speed: Speed, by: 1 | -1): Speed {
  const index = SPEEDS.indexOf(speed) + by
  return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index))] as Speed
}

/** Length of one picture in seconds: measured when the browser tells, else from the camera, else 25 per second. */
export function frameStepS(measuredS: number | null, cameraFps: number | null | undefined): number {
  if (measuredS !== null && measuredS > 0.005 && measuredS < 1) return measuredS
  return cameraFps && cameraFps > 0 ? 1 / cameraFps : 1 / 25
}
