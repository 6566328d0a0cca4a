/** Rooms sorted for the list: running, today, later, standing rooms, over; pure. */
import type { RoomInfo } from '@/api/types'
import { CHINA_OFFSET_MS, DAY_MS, dayOf, dayStartMs } from '@/time/format'

export type Section = 'running' | 'today' | 'upcoming' | 'always' | 'ended'
export const SECTIONS: readonly Section[] = ['running', 'today', 'upcoming', 'always', 'ended']

export function sectionOf(room: RoomInfo, nowMs: number): Section {
  if (room.state === 'ended') return 'ended'
  if (room.state === 'running') return 'running'
  if (room.starts_at === null) return 'always'
  return Date.parse(room.starts_at) < dayStartMs(dayOf(nowMs)) + DAY_MS ? 'today' : 'upcoming'
}

export function bySection(rooms: readonly RoomInfo[], nowMs: number): Map<Section, RoomInfo[]> {
  const found = new Map<Section, RoomInfo[]>(SECTIONS.map((section) => [section, []]))
  for (const room of rooms) found.get(sectionOf(room, nowMs))?.push(room)
  const start = (room: RoomInfo) => Date.parse(room.starts_at ?? room.created_at)
  for (const [section, list] of found)
    list.sort((a, b) => (section === 'ended' ? Date.parse(b.ended_at ?? '') - Date.parse(a.ended_at ?? '') || start(b) - start(a) : start(a) - start(b)))
  return found
}

/** `2026-12-01` and `09:30` on the county's clock, as an instant. */
export function instantOf(day: string, time: string): string | null {
  const ms = Date.parse(`${day}T${time}:00Z`) - CHINA_OFFSET_MS
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null
}

/** The next quarter of an hour, for a new meeting. */
export function nextQuarter(nowMs: number): { day: string; time: string } {
  const quarterMs = 15 * 60_000
  const at = Math.ceil((nowMs + 60_000) / quarterMs) * quarterMs
  return { day: dayOf(at), time: new Date(at + CHINA_OFFSET_MS).toISOString().slice(11, 16) }
}
