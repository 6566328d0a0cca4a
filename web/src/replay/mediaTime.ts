/**
 * Between the clock on the wall and the clock of the `<video>` element. Fragments carry EXT-X-PROGRAM-DATE-TIME; at
 * gaps the wall jumps while media time runs on, so the mapping is piecewise; pure.
 */
export interface Fragment {
  /** Seconds on the media timeline. */
  startS: number
  durationS: number
  /** Wall clock of its first picture, epoch ms. */
  wallMs: number
}

/**
 * Where the first picture of a fragment comes on the media timeline: its own time (from the playlist) less what the
 * player takes off. hls.js would place the fragment by its first sound; null while that is all that is known.
 */
export function pictureStartS(title: string | null | undefined, shiftS: number | undefined): number | null {
  const told = /^media=(\d+(?:\.\d+)?)$/.exec(title ?? '')?.[1]
  return told === undefined || shiftS === undefined ? null : Number(told) - shiftS
}

export interface MediaPosition {
  mediaS: number
  wallMs: number
  /** True when the wished moment was not recorded and this is the next one that was. */
  skipped: boolean
}

/** Beyond this the wished moment counts as "in a gap"; below it is rounding between fragments. */
const ROUNDING_MS = 250

/** A shorter jump of the wall clock is drift being worked off. */
const GAP_MS = 1000

/** Where to seek for a moment; null when nothing is recorded from it on. */
export function positionOf(fragments: readonly Fragment[], wallMs: number): MediaPosition | null {
  for (const fragment of fragments) {
    const endMs = fragment.wallMs + fragment.durationS * 1000
    if (wallMs >= endMs) continue
    if (wallMs >= fragment.wallMs) {
      return { mediaS: fragment.startS + (wallMs - fragment.wallMs) / 1000, wallMs, skipped: false }
    }
    return { mediaS: fragment.startS, wallMs: fragment.wallMs, skipped: fragment.wallMs - wallMs > ROUNDING_MS }
  }
  return null
}

/** What the clock on the wall showed at a media time; null outside the fragments. */
export function wallOf(fragments: readonly Fragment[], mediaS: number): number | null {
  let low = 0
  let high = fragments.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((fragments[middle] as Fragment).startS <= mediaS) low = middle
    else high = middle - 1
  }
  const fragment = fragments[low]
  if (!fragment || mediaS < fragment.startS - 0.5) return null
  return fragment.wallMs + Math.min(mediaS - fragment.startS, fragment.durationS) * 1000
}

export interface Shown {
  mediaS: number
  wallMs: number
}

/** Whether the wall clock went on further than the media between two pictures in a row: nothing was recorded there. */
export function isGapBetween(before: Shown, after: Shown): boolean {
  const mediaMs = (after.mediaS - before.mediaS) * 1000
  return mediaMs > 0 && after.wallMs - before.wallMs - mediaMs > GAP_MS
}

export interface PlayWindow {
  startMs: number
  endMs: number
}

const LEAD_MS = 60_000
const WINDOW_MS = 3600_000

/** The part of the day that one playlist covers: a little before the moment, up to an hour after, not the future. */
export function windowFor(wallMs: number, day: PlayWindow, nowMs: number): PlayWindow {
  const startMs = Math.max(day.startMs, wallMs - LEAD_MS)
  return { startMs, endMs: Math.max(startMs + 1000, Math.min(day.endMs, nowMs, startMs + WINDOW_MS)) }
}
