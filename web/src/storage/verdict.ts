/** What the storage page says of a camera: does it keep what it must, and will it go on doing so; pure. */
import type { CameraStorage } from '@/api/types'

export type Verdict = 'ok' | 'young' | 'short' | 'filling' | 'over' | 'none'

/** Days of slack before "kept longer than allowed" is said: deletion runs in rounds, whole files at a time. */
const OVER_SLACK_DAYS = 1

export function verdictOf(entry: CameraStorage): Verdict {
  const kept = entry.days_kept ?? 0
  const required = entry.required_days ?? 0
  if (!entry.oldest) return 'none'
  if (entry.is_short === true) return 'filling'
  if (required > 0 && kept > required + OVER_SLACK_DAYS) return 'over'
  if (kept + 0.05 < required) return 'young'
  return 'ok'
}

export function isBad(verdict: Verdict): boolean {
  return verdict === 'short' || verdict === 'filling' || verdict === 'over'
}

/** 存储达标率: cameras that keep what they must ÷ cameras old enough to be judged; null when there is none. */
export function compliance(verdicts: readonly Verdict[]): { good: number; judged: number } | null {
  const judged = verdicts.filter((verdict) => verdict !== 'young' && verdict !== 'none')
  if (judged.length === 0) return null
  return { good: judged.filter((verdict) => verdict === 'ok').length, judged: judged.length }
}
