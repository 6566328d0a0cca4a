/** What the menu beside a participant offers, by who looks and what the other is doing; pure. The hub judges again. */
import type { Participant, Room } from '@/session/protocol'

export type PersonAction =
  | 'mute' | 'unmute' | 'muteCamera' | 'spotlight' | 'spotlightOff' | 'floorRevoke' | 'stopShare' | 'call' | 'setSpeaker' | 'setAttendee'
  | 'setObserver' | 'transfer' | 'privateChat' | 'remove' | 'removeCamera'

export function actionsFor(person: Participant, room: Room | null, by: { isChair: boolean; myId: string | null }): PersonAction[] {
  if (!room || person.is_in_lobby) return []
  const isMe = person.id === by.myId
  const isLit = room.spotlight?.source === person.source
  const lights: PersonAction[] = [isLit ? 'spotlightOff' : 'spotlight']
  if (!by.isChair) return isMe || person.kind === 'camera' ? [] : ['privateChat']
  if (person.kind === 'camera') return [...lights, 'removeCamera']
  if (isMe) return lights
  const actions: PersonAction[] = [person.tracks.microphone?.is_on ? 'mute' : 'unmute']
  if (person.tracks.camera?.is_on) actions.push('muteCamera')
  actions.push(...lights)
  if (room.floor.includes(person.id)) actions.push('floorRevoke')
  if (room.content?.source === person.source) actions.push('stopShare')
  if (room.roll_call.state === 'running' && room.roll_call.current !== person.id) actions.push('call')
  if (person.role !== 'speaker') actions.push('setSpeaker')
  if (person.role !== 'attendee') actions.push('setAttendee')
  if (person.role !== 'observer') actions.push('setObserver')
  return [...actions, 'transfer', 'privateChat', 'remove']
}
