import { describe, expect, it } from 'vitest'
import { isGapBetween, pictureStartS, positionOf, wallOf, windowFor, type Fragment } from './mediaTime'

const MIDNIGHT = 1_700_000_000_000
// 0–20 s recorded, one minute missing, then 20 s more.
const fragments: Fragment[] = [
  { startS: 0, durationS: 10, wallMs: MIDNIGHT },
  { startS: 10, durationS: 10, wallMs: MIDNIGHT + 10_000 },
  { startS: 20, durationS: 10, wallMs: MIDNIGHT + 80_000 },
  { startS: 30, durationS: 10, wallMs: MIDNIGHT + 90_000 },
]

describe('positionOf', () => {
  it('lands on the moment', () => {
    expect(positionOf(fragments, MIDNIGHT + 12_500)).toEqual({ mediaS: 12.5, wallMs: MIDNIGHT + 12_500, skipped: false })
    expect(positionOf(fragments, MIDNIGHT + 81_000)?.mediaS).toBe(21)
  })

  it('goes on after a gap and says so', () => {
    expect(positionOf(fragments, MIDNIGHT + 45_000)).toEqual({ mediaS: 20, wallMs: MIDNIGHT + 80_000, skipped: true })
  })

  it('does not call rounding a gap', () => {
    const loose = [{ startS: 0, durationS: 10, wallMs: MIDNIGHT + 100 }]
    expect(positionOf(loose, MIDNIGHT)?.skipped).toBe(false)
  })

  it('is null after the last picture', () => {
    expect(positionOf(fragments, MIDNIGHT + 100_000)).toBeNull()
    expect(positionOf([], MIDNIGHT)).toBeNull()
  })
})

describe('wallOf', () => {
  it('is the inverse of positionOf wherever something is recorded', () => {
    for (const wall of [0, 1, 9_999, 10_000, 19_000, 80_000, 95_500]) {
      const position = positionOf(fragments, MIDNIGHT + wall)
      expect(wallOf(fragments, position?.mediaS ?? -1)).toBeCloseTo(MIDNIGHT + wall, 3)
    }
  })

  it('does not run into a gap', () => {
    expect(wallOf([fragments[0] as Fragment], 10.4)).toBe(MIDNIGHT + 10_000)
    expect(wallOf([], 3)).toBeNull()
  })
})

describe('windowFor', () => {
  const day = { startMs: MIDNIGHT, endMs: MIDNIGHT + 86_400_000 }

  it('is an hour from a little before the moment', () => {
    const window = windowFor(MIDNIGHT + 7_200_000, day, Infinity)
    expect([window.startMs - MIDNIGHT, window.endMs - MIDNIGHT]).toEqual([7_140_000, 10_740_000])
  })

  it('ends now, not in the future, and not tomorrow', () => {
    expect(windowFor(MIDNIGHT + 7_200_000, day, MIDNIGHT + 7_300_000).endMs).toBe(MIDNIGHT + 7_300_000)
    expect(windowFor(MIDNIGHT + 86_300_000, day, Infinity).endMs).toBe(day.endMs)
  })
})

describe('isGapBetween', () => {
  const at = (mediaS: number, wallMs: number) => ({ mediaS, wallMs: MIDNIGHT + wallMs })

  it('tells a gap from pictures that are far apart', () => {
    expect(isGapBetween(at(18, 18_000), at(20, 80_000))).toBe(true)
    expect(isGapBetween(at(2, 2000), at(4, 4000))).toBe(false)
    expect(isGapBetween(at(2, 2000), at(12, 12_300))).toBe(false)
  })

  it('does not take a jump back for one', () => {
    expect(isGapBetween(at(20, 80_000), at(5, 5000))).toBe(false)
  })
})

describe('pictureStartS', () => {
  it('is the time in the file less the shift, whatever sound comes before', () => {
    expect(pictureStartS('media=120.500000', 120)).toBe(0.5)
    expect(pictureStartS('media=120', -3)).toBe(123)
  })

  it('is unknown before anything was loaded and for other titles', () => {
    expect(pictureStartS('media=120', undefined)).toBeNull()
    for (const title of [null, undefined, '', 'no desc', 'media=', 'media=1x']) expect(pictureStartS(title, 5)).toBeNull()
  })
})
