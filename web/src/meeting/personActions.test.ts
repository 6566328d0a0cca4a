import { expect, it } from 'vitest'
import type { Participant, Room } from '@/session/protocol'
import { actionsFor } from './personActions'

const room = { chair: 'c', floor: ['a'], spotlight: null, content: { source: 'participant/a' }, roll_call: { state: 'idle', current: null, entries: [] } } as unknown as Room
const person = (more: Partial<Participant> = {}): Participant =>
  ({ id: 'a', source: 'participant/a', kind: 'person', role: 'attendee', is_in_lobby: false, tracks: { microphone: { is_on: true, muted_by: null } }, ...more }) as Participant

it('gives the chair everything that fits', () => {
  const list = actionsFor(person(), room, { isChair: true, myId: 'c' })
  expect(list).toEqual(['mute', 'spotlight', 'floorRevoke', 'stopShare', 'setSpeaker', 'setObserver', 'transfer', 'privateChat', 'remove'])
  expect(actionsFor(person({ tracks: {} }), room, { isChair: true, myId: 'c' })[0]).toBe('unmute')
})

it('gives a camera no microphone, the chair no way to remove itself, others only a private word', () => {
  expect(actionsFor(person({ kind: 'camera', source: 'camera/x' }), room, { isChair: true, myId: 'c' })).toEqual(['spotlight', 'removeCamera'])
  expect(actionsFor(person({ id: 'c' }), room, { isChair: true, myId: 'c' })).toEqual(['spotlight'])
  expect(actionsFor(person(), room, { isChair: false, myId: 'b' })).toEqual(['privateChat'])
  expect(actionsFor(person({ is_in_lobby: true }), room, { isChair: true, myId: 'c' })).toEqual([])
})
