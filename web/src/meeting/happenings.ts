/** What changed in a room that its people must be told in words; pure. */
import type { RoomState } from '@/session/roomState'

export type Happening =
  | 'recording_on' | 'recording_off' | 'floor_granted' | 'floor_lost' | 'called' | 'chair_got' | 'chair_lost' | 'admitted' | 'muted_all'

export function happeningsBetween(before: RoomState, after: RoomState): Happening[] {
  const found: Happening[] = []
  const me = after.me?.id
  if (!before.room || !after.room || !me) return found
  const turned = (was: boolean, is: boolean, on: Happening, off?: Happening): void => {
    if (!was && is) found.push(on)
    else if (was && !is && off) found.push(off)
  }
  turned(before.room.recording.is_on, after.room.recording.is_on, 'recording_on', 'recording_off')
  turned(before.room.floor.includes(me), after.room.floor.includes(me), 'floor_granted', 'floor_lost')
  turned(before.room.chair === me, after.room.chair === me, 'chair_got', 'chair_lost')
  turned(isCalled(before, me), isCalled(after, me), 'called')
  turned(before.me?.is_in_lobby === false, !after.me?.is_in_lobby, 'admitted')
  turned(before.room.is_all_muted, after.room.is_all_muted, 'muted_all')
  return found
}

export function isCalled(state: RoomState, me: string | undefined): boolean {
  return state.room?.roll_call.state === 'running' && me !== undefined && state.room.roll_call.current === me
}
