import { describe, expect, it } from 'vitest'
import { bitrateOf, bytesOf, dateTimeOf, dayOf, dayStartMs, lasted, monthGrid, shiftMonth, timeOf } from './format'

const noonUtc = Date.parse('2026-11-22T16:30:05.042Z')

describe('wall clock words', () => {
  it('speaks China time whatever zone the computer is in', () => {
    expect(dayOf(noonUtc)).toBe('2026-11-23')
    expect(timeOf(noonUtc)).toBe('00:30:05')
    expect(timeOf(noonUtc, true)).toBe('00:30:05.042')
    expect(dateTimeOf(noonUtc)).toBe('2026-11-23 00:30:05')
    expect(dayStartMs('2026-11-23')).toBe(Date.parse('2026-11-22T16:00:00Z'))
  })

  it('says how long in the shortest clear form', () => {
    expect(lasted(65_000)).toBe('01:05')
    expect(lasted(7_384_000)).toBe('2:03:04')
    expect(lasted(3 * 86_400_000 + 4 * 3_600_000)).toBe('3d 04:00')
    expect(lasted(-5)).toBe('00:00')
  })

  it('keeps three figures of a size', () => {
    expect(bytesOf(0)).toBe('0 B')
    expect(bytesOf(21_600_000_000)).toBe('21.6 GB')
    expect(bytesOf(999_000)).toBe('999 KB')
    expect(bitrateOf(2_040_000)).toBe('2.0 Mbps')
    expect(bitrateOf(512_000)).toBe('512 kbps')
  })
})

describe('month grid', () => {
  it('starts on Monday', () => {
    const cells = monthGrid('2026-11')
    expect(cells.indexOf('2026-11-01')).toBe(6)
    expect(cells.filter(Boolean)).toHaveLength(30)
  })

  it('crosses the year', () => {
    expect(shiftMonth('2026-12', 1)).toBe('2027-01')
    expect(shiftMonth('2026-01', -1)).toBe('2025-12')
  })
})
