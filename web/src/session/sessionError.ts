/** What the session refuses, and why it ended; codes are those of `streams/SIGNALING.md` and a few of our own. */

export class SessionError extends Error {
  override readonly name = 'SessionError'

  constructor(
    /** `link_lost`: no answer came because the line broke; `timeout`: none came in time. */
    readonly code: string,
    message = '',
  ) {
    super(message || code)
  }
}

/** Endings after which the page must not come back by itself. */
const FINAL_CODES = new Set([
  'left', 'replaced', 'removed', 'rejected', 'revoked', 'refused', 'not_permitted', 'room_ended', 'room_not_found', 'room_locked', 'room_full',
  'seat_taken', 'too_many_sessions', 'unsupported_protocol',
])

export function isFinal(code: string): boolean {
  return FINAL_CODES.has(code)
}
