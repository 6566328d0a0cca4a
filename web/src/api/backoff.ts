/** Waits between attempts: doubling, capped, with jitter so that a county does not come back in one second. */
export function backoffMs(attempt: number, random: number, firstMs = 1000, capMs = 30_000): number {
  const full = Math.min(capMs, firstMs * 2 ** Math.max(0, Math.min(attempt, 20)))
  return Math.round(full * (0.5 + random / 2))
}
