/** The register of who looked and why (调阅登记): asked before replay, remembered 15 minutes per viewer; pure. */

export interface Reason {
  reason: string
  caseNo: string
  unit: string
}

export interface RememberedReason extends Reason {
  atMs: number
}

export const REMEMBER_MS = 15 * 60_000

export function stillValid(remembered: RememberedReason | null, nowMs: number): remembered is RememberedReason {
  return remembered !== null && nowMs >= remembered.atMs && nowMs - remembered.atMs < REMEMBER_MS
}

/** What is missing, as a message key; null when the register entry is complete. */
export function missing(entry: Reason): 'reason' | null {
  return entry.reason.trim().length >= 2 ? null : 'reason'
}
