/** What a tile does after a failed attempt; pure. */
import { backoffMs } from '@/api/backoff'
import type { ApiError } from '@/api/problem'

/** Answers that waiting does not change: the right, the camera or the codec is missing. */
const FINAL_CODES = new Set(['codec_unsupported', 'bad_sdp', 'no_sub_stream', 'not_permitted', 'revoked', 'too_many_sessions', 'too_many_subscriptions'])
const FINAL_STATUS = new Set([400, 401, 403, 404, 415, 422])
/**
 * A camera that is away announces its return by an event, so asking often would only load the hub; but its sub stream
 * comes some seconds after the main one and announces nothing.
 */
const OFFLINE_WAIT_MS = 15_000

/** Milliseconds to wait before the next attempt, or null for "do not try again". */
export function retryAfterFailure(error: ApiError, attempt: number, random: number): number | null {
  if (error.code === 'source_offline') return backoffMs(attempt, random, 1000, OFFLINE_WAIT_MS)
  if (FINAL_CODES.has(error.code) || FINAL_STATUS.has(error.status)) return null
  const waitMs = backoffMs(attempt, random)
  return error.retryAfterS === null ? waitMs : Math.max(waitMs, error.retryAfterS * 1000)
}
