import { expect, it } from 'vitest'
import type { RoomInfo } from '@/api/types'
import { bySection, instantOf, nextQuarter, sectionOf } from './schedule'

const now = Date.parse('2026-12-01T04:00:00Z')
const room = (id: string, more: Partial<RoomInfo>): RoomInfo => ({ id, state: 'open', starts_at: null, ended_at: null, created_at: '2026-11-01T00:00:00Z', ...more }) as RoomInfo

it('sorts by the day of the county, not of the computer', () => {
  expect(sectionOf(room('a', { state: 'running' }), now)).toBe('running')
  expect(sectionOf(room('a', { state: 'scheduled', starts_at: '2026-12-01T15:30:00Z' }), now)).toBe('today')
  expect(sectionOf(room('a', { state: 'scheduled', starts_at: '2026-12-01T16:30:00Z' }), now)).toBe('upcoming')
  expect(sectionOf(room('a', {}), now)).toBe('always')
  expect(sectionOf(room('a', { state: 'ended' }), now)).toBe('ended')
})

it('puts the next first, and of what is over the latest', () => {
  const list = bySection(
    [room('late', { starts_at: '2026-12-01T09:00:00Z' }), room('soon', { starts_at: '2026-12-01T05:00:00Z' }), room('old', { state: 'ended', ended_at: '2026-11-01T01:00:00Z' }), room('new', { state: 'ended', ended_at: '2026-11-30T01:00:00Z' })],
    now,
  )
  expect(list.get('today')?.map((each) => each.id)).toEqual(['soon', 'late'])
  expect(list.get('ended')?.map((each) => each.id)).toEqual(['new', 'old'])
})

it('speaks China time', () => {
  expect(instantOf('2026-12-01', '09:30')).toBe('2026-12-01T01:30:00.000Z')
  expect(instantOf('x', '09:30')).toBeNull()
  expect(nextQuarter(now)).toEqual({ day: '2026-12-01', time: '12:15' })
})
