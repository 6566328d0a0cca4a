/**
 * Playing speeds. Up to 2× the element plays every picture; from 4× it shows key pictures only, by stepping through
 * the recording with seeks, so that a 16× search costs no more decoding than watching; pure.
 */
export const SPEEDS = [0.5, 1, 2, 4, 8, 16] as const
export type Speed = (typeof SPEEDS)[number]

export const STEPPING_FROM = 4
/** Cameras have a key picture every 1–2 s; smaller steps would decode more than they show. */
const KEY_EVERY_MS = 2000
const MIN_INTERVAL_MS = 200

export interface StepPlan {
  intervalMs: number
  stepMs: number
}

/** How often to seek, and how far, for a stepping speed; null when the element plays by itself. */
export function stepPlan(speed: Speed): StepPlan | null {
  if (speed < STEPPING_FROM) return null
  const intervalMs = Math.max(MIN_INTERVAL_MS, KEY_EVERY_MS / speed)
  return { intervalMs, stepMs: intervalMs * speed }
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
