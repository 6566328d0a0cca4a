import { describe, expect, it } from 'vitest'
import { barAt, clampView, firstView, follow, MIN_VIEW_MS, nextRecorded, panBy, tickStepMs, ticks, wallAt, xOf, zoomAt } from './timeline'

const HOUR = 3_600_000
const day = { startMs: 1000 * HOUR, endMs: 1024 * HOUR }

describe('timeline view', () => {
  it('maps both ways', () => {
    const view = { startMs: day.startMs + 6 * HOUR, endMs: day.startMs + 12 * HOUR }
    const at = day.startMs + 7.5 * HOUR
    expect(xOf(view, 1200, at)).toBe(300)
    expect(wallAt(view, 1200, 300)).toBe(at)
  })

  it('zooms around the pointer', () => {
    const anchor = day.startMs + 18 * HOUR
    let view = day
    for (let n = 0; n < 5; n += 1) {
      const before = xOf(view, 1000, anchor)
      view = zoomAt(view, day, anchor, 1.5)
      expect(xOf(view, 1000, anchor)).toBeCloseTo(before, 6)
    }
  })

  it('never leaves the day, never gets narrower than five minutes, never wider than the day', () => {
    expect(zoomAt(day, day, day.startMs, 1e9)).toEqual({ startMs: day.startMs, endMs: day.startMs + MIN_VIEW_MS })
    expect(zoomAt(day, day, day.startMs + HOUR, 0.1)).toEqual(day)
    expect(panBy({ startMs: day.endMs - HOUR, endMs: day.endMs }, day, HOUR).endMs).toBe(day.endMs)
    expect(clampView({ startMs: 0, endMs: HOUR }, day).startMs).toBe(day.startMs)
  })

  it('begins close to a short recording and with the whole day otherwise', () => {
    const short = [{ startMs: day.startMs + 10 * HOUR, endMs: day.startMs + 10.1 * HOUR }]
    const view = firstView(day, short)
    expect(view.endMs - view.startMs).toBe(HOUR)
    expect(view.startMs).toBeLessThan(short[0]?.startMs ?? 0)
    expect(firstView(day, [{ startMs: day.startMs, endMs: day.startMs + 20 * HOUR }])).toEqual(day)
    expect(firstView(day, [])).toEqual(day)
  })

  it('turns the page when playing runs out of view', () => {
    const view = { startMs: day.startMs, endMs: day.startMs + HOUR }
    expect(follow(view, day, day.startMs + HOUR / 2)).toBe(view)
    expect(follow(view, day, day.startMs + 2 * HOUR).startMs).toBe(day.startMs + 1.75 * HOUR)
  })
})

describe('ticks', () => {
  it('keeps labels apart at every zoom', () => {
    for (let span = MIN_VIEW_MS; span <= 24 * HOUR; span *= 1.3) {
      const view = { startMs: day.startMs, endMs: day.startMs + span }
      const step = tickStepMs(view, 800, 70)
      expect((step / span) * 800).toBeGreaterThanOrEqual(70)
    }
  })

  it('stand on whole steps of the day', () => {
    const view = { startMs: day.startMs + 1.2 * HOUR, endMs: day.startMs + 4.5 * HOUR }
    expect(ticks(view, day, HOUR).map((ms) => (ms - day.startMs) / HOUR)).toEqual([2, 3, 4])
  })
})

describe('recorded or not', () => {
  const spans = [
    { startMs: 100, endMs: 200 },
    { startMs: 300, endMs: 400 },
  ]

  it('goes to the next recording from inside a gap', () => {
    expect(nextRecorded(spans, 150)).toBe(150)
    expect(nextRecorded(spans, 200)).toBe(300)
    expect(nextRecorded(spans, 50)).toBe(100)
    expect(nextRecorded(spans, 400)).toBeNull()
  })

  it('finds the bar under the pointer', () => {
    expect(barAt(spans, 199)).toBe(spans[0])
    expect(barAt(spans, 200)).toBeNull()
  })
})
