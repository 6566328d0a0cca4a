/**
 * The seat this browser had in a room a moment ago, so that a page that was closed by mistake comes back to it. Kept for
 * the hub's minute only; another window of the same browser that is still in the meeting keeps it from being taken.
 */
import type { JoinInput } from '@/api/types'

export interface SavedSeat {
  resumeToken: string
  atMs: number
  join: JoinInput
  isGuest: boolean
  isMicOn: boolean
  isCameraOn: boolean
}

const LIFE_MS = 60_000
const key = (roomId: string) => `xiangyun.seat.${roomId}`

export function saveSeat(roomId: string, seat: SavedSeat): void {
  localStorage.setItem(key(roomId), JSON.stringify(seat))
}

export function forgetSeat(roomId: string): void {
  localStorage.removeItem(key(roomId))
}

/** Pure: what was stored, if it is whole and still good. */
export function parseSeat(text: string | null, nowMs: number): SavedSeat | null {
  let raw: Partial<SavedSeat> | null
  try {
    raw = JSON.parse(text ?? 'null') as Partial<SavedSeat> | null
  } catch {
    return null
  }
  if (typeof raw?.resumeToken !== 'string' || typeof raw.atMs !== 'number' || typeof raw.join !== 'object') return null
  if (nowMs - raw.atMs > LIFE_MS || nowMs < raw.atMs - LIFE_MS) return null
  return {
    resumeToken: raw.resumeToken, atMs: raw.atMs, join: raw.join, isGuest: raw.isGuest === true,
    isMicOn: raw.isMicOn === true, isCameraOn: raw.isCameraOn === true,
  }
}

export function savedSeat(roomId: string): SavedSeat | null {
  return parseSeat(localStorage.getItem(key(roomId)), Date.now())
}

const held = new Map<string, () => void>()

/** Holds the room for this window until it is released or closed; false when another window has it. */
export async function holdRoom(roomId: string): Promise<boolean> {
  if (!('locks' in navigator) || held.has(roomId)) return true
  return new Promise((answer) => {
    void navigator.locks.request(`xiangyun-meeting-${roomId}`, { ifAvailable: true }, (lock) => {
      answer(lock !== null)
      return lock === null ? undefined : new Promise<void>((release) => held.set(roomId, release))
    })
  })
}

export function releaseRoom(roomId: string): void {
  held.get(roomId)?.()
  held.delete(roomId)
}
