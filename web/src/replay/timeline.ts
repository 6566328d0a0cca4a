/** Geometry of the day timeline: what part of the day is in view, what lies under the pointer; pure. */

export interface View {
  startMs: number
  endMs: number
}

export interface Bar {
  startMs: number
  endMs: number
}

export interface GapBar extends Bar {
  reason: string
}

export const MIN_VIEW_MS = 5 * 60_000

export function xOf(view: View, width: number, wallMs: number): number {
  return ((wallMs - view.startMs) / (view.endMs - view.startMs)) * width
}

export function wallAt(view: View, width: number, x: number): number {
  return view.startMs + (x / width) * (view.endMs - view.startMs)
}

/** Keeps the view inside the day and no narrower than five minutes. */
export function clampView(view: View, day: View): View {
  const dayMs = day.endMs - day.startMs
  const span = Math.min(dayMs, Math.max(MIN_VIEW_MS, view.endMs - view.startMs))
  const start = Math.min(Math.max(view.startMs, day.startMs), day.endMs - span)
  return { startMs: start, endMs: start + span }
}

/** Zooms by `factor` (> 1 = closer) so that the moment under the pointer stays under it. */
export function zoomAt(view: View, day: View, anchorMs: number, factor: number): View {
  const dayMs = day.endMs - day.startMs
  const span = Math.min(dayMs, Math.max(MIN_VIEW_MS, (view.endMs - view.startMs) / factor))
  const share = (anchorMs - view.startMs) / (view.endMs - view.startMs)
  return clampView({ startMs: anchorMs - share * span, endMs: anchorMs + (1 - share) * span }, day)
}

/** Recordings shorter than this would be a few pixels of the day, so the first view goes closer. */
const SHORT_MS = 6 * 3600_000
const FIRST_VIEW_MS = 3600_000

/** What to show first of a day: all of it, or, where only a part is recorded, that part with its surroundings. */
export function firstView(day: View, spans: readonly Bar[]): View {
  const first = spans[0]
  const last = spans.at(-1)
  if (!first || !last || last.endMs - first.startMs > SHORT_MS) return { ...day }
  const width = Math.max(FIRST_VIEW_MS, (last.endMs - first.startMs) * 1.4)
  const middle = (first.startMs + last.endMs) / 2
  return clampView({ startMs: middle - width / 2, endMs: middle + width / 2 }, day)
}

export function panBy(view: View, day: View, deltaMs: number): View {
  return clampView({ startMs: view.startMs + deltaMs, endMs: view.endMs + deltaMs }, day)
}

/** Moves the view only when the moment would leave it, then by three quarters of its width, as a page turns. */
export function follow(view: View, day: View, wallMs: number): View {
  if (wallMs >= view.startMs && wallMs <= view.endMs) return view
  return clampView({ startMs: wallMs - (view.endMs - view.startMs) / 4, endMs: wallMs + ((view.endMs - view.startMs) * 3) / 4 }, day)
}

const STEPS_S = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400]

/** Distance between labelled marks so that labels stay at least `minPx` apart, in ms. */
export function tickStepMs(view: View, width: number, minPx: number): number {
  const msPerPx = (view.endMs - view.startMs) / Math.max(1, width)
  const step = STEPS_S.find((seconds) => (seconds * 1000) / msPerPx >= minPx)
  return (step ?? 21_600) * 1000
}

/** Whole multiples of the step since the day began. */
export function ticks(view: View, day: View, stepMs: number): number[] {
  const marks: number[] = []
  const first = Math.ceil((view.startMs - day.startMs) / stepMs)
  for (let n = first; day.startMs + n * stepMs <= view.endMs; n += 1) marks.push(day.startMs + n * stepMs)
  return marks
}

export function barAt<T extends Bar>(bars: readonly T[], wallMs: number): T | null {
  return bars.find((bar) => wallMs >= bar.startMs && wallMs < bar.endMs) ?? null
}

/** The moment itself when recorded, else the beginning of the next recording, else null. */
export function nextRecorded(spans: readonly Bar[], wallMs: number): number | null {
  let best: number | null = null
  for (const span of spans) {
    if (wallMs >= span.startMs && wallMs < span.endMs) return wallMs
    if (span.startMs > wallMs && (best === null || span.startMs < best)) best = span.startMs
  }
  return best
}
