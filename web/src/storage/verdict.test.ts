import { describe, expect, it } from 'vitest'
import { compliance, isBad, verdictOf } from './verdict'

const entry = { camera_id: 'a', bytes: 10, oldest: '2026-10-01T00:00:00Z', days_kept: 30.2, required_days: 30 }

describe('verdictOf', () => {
  it('tells young from failing', () => {
    expect(verdictOf(entry)).toBe('ok')
    expect(verdictOf({ ...entry, days_kept: 3 })).toBe('young')
    expect(verdictOf({ ...entry, days_kept: 3, is_short: true })).toBe('filling')
    expect(verdictOf({ ...entry, days_kept: 33 })).toBe('over')
    expect(verdictOf({ ...entry, bytes: 0, oldest: null })).toBe('none')
  })

  it('asks for action only where there is something to do', () => {
    expect((['ok', 'young', 'none', 'filling', 'over'] as const).map(isBad)).toEqual([false, false, false, true, true])
  })
})

describe('compliance', () => {
  it('leaves cameras out that are too young to judge', () => {
    expect(compliance(['ok', 'ok', 'filling', 'young', 'none'])).toEqual({ good: 2, judged: 3 })
    expect(compliance(['young'])).toBeNull()
  })
})
