import { expect, it } from 'vitest'
import type { Participant, Room } from '@/session/protocol'
import { EMPTY_ROOM, type RoomState } from '@/session/roomState'
import { happeningsBetween } from './happenings'

const me = { id: 'me', is_in_lobby: false } as Participant
const room = { chair: null, floor: [], is_all_muted: false, recording: { is_on: false, since: null }, roll_call: { state: 'idle', current: null, entries: [] } } as unknown as Room
const state = (more: Partial<Room> = {}, mine: Partial<Participant> = {}): RoomState => ({ ...EMPTY_ROOM, me: { ...me, ...mine }, room: { ...room, ...more } })

it('tells what concerns everybody, and oneself', () => {
  expect(happeningsBetween(state(), state({ recording: { is_on: true, since: null } }))).toEqual(['recording_on'])
  expect(happeningsBetween(state(), state({ floor: ['me'], chair: 'me' }))).toEqual(['floor_granted', 'chair_got'])
  expect(happeningsBetween(state({ floor: ['me'] }), state())).toEqual(['floor_lost'])
  expect(happeningsBetween(state(), state({ roll_call: { state: 'running', current: 'me', entries: [] } }))).toEqual(['called'])
  expect(happeningsBetween(state({}, { is_in_lobby: true }), state())).toEqual(['admitted'])
})

it('is silent about others and about the first word', () => {
  expect(happeningsBetween(state(), state({ floor: ['a'], chair: 'a' }))).toEqual([])
  expect(happeningsBetween(EMPTY_ROOM, state({ recording: { is_on: true, since: null } }))).toEqual([])
})
