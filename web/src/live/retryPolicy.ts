/** What a viewer does after a failed attempt; pure. */
import { backoffMs } from '@/api/backoff'
import type { ApiError } from '@/api/problem'

/** Answers that waiting does not change: the right, the camera or the codec is missing. */
const FINAL_CODES = new Set(['codec_unsupported', 'bad_sdp', 'no_sub_stream'])
const FINAL_STATUS = new Set([400, 401, 403, 404, 415, 422])
/** A camera that is away announces its return by an event; asking often would only load the hub. */
const OFFLINE_WAIT_MS = 15_000

/** Milliseconds to wait before the next attempt, or null for "do not try again". */
export function retryAfterFailure(error: ApiError, attempt: number, random: number): number | null {
  if (error.code === 'camera_offline') return Math.round(OFFLINE_WAIT_MS * (0.8 + 0.4 * random))
  if (FINAL_CODES.has(error.code) || FINAL_STATUS.has(error.status)) return null
  const waitMs = backoffMs(attempt, random)
  return error.retryAfterS === null ? waitMs : Math.max(waitMs, error.retryAfterS * 1000)
}
