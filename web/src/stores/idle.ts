/** When a session that nobody touches ends; pure. Watching counts as work: a duty desk looks without touching. */

export const IDLE_LIMIT_MS = 30 * 60_000
/** One duty shift. */
export const WATCHING_LIMIT_MS = 12 * 3600_000
export const WARN_BEFORE_MS = 60_000

export type IdlePhase = 'active' | 'warn' | 'expired'

export function idlePhase(idleMs: number, watching: boolean): IdlePhase {
  const limit = watching ? WATCHING_LIMIT_MS : IDLE_LIMIT_MS
  if (idleMs >= limit) return 'expired'
  return idleMs >= limit - WARN_BEFORE_MS ? 'warn' : 'active'
}
