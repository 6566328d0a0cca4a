import { describe, expect, it } from 'vitest'
import type { Participant, Room } from '@/session/protocol'
import { arrange, gridShape, ordered, pageOf, type Scene } from './arrange'

const person = (id: string, more: Partial<Participant> = {}): Participant => ({
  id, source: `participant/${id}`, kind: 'person', name: id, venue: '', head_count: 1, role: 'attendee', is_online: true, is_in_lobby: false,
  joined_at: `2026-12-01T08:00:0${id.length}.000Z`, hand_at: null, may_speak: true, may_share: true, tracks: {}, ...more,
})
const room = (more: Partial<Room> = {}): Room => ({
  id: 'r', name: '例会', kind: 'meeting', version: 1, phase: 'open', speech: 'open', is_locked: false, has_lobby: false, chair: 'chair', chair_requests: [],
  floor: [], floor_queue: [], is_all_muted: false, spotlight: null, content: null, roll_call: { state: 'idle', current: null, entries: [] },
  recording: { is_on: false, since: null }, starts_at: null, head_count_total: 3, ...more,
})
const camera = person('gate', { source: 'camera/gate', kind: 'camera' })
const people = [person('me'), person('a'), person('chair', { role: 'chair' }), camera, person('seen', { role: 'observer' }), person('late', { is_in_lobby: true })]
const scene = (more: Partial<Scene> = {}, roomMore: Partial<Room> = {}): Scene => ({ room: room(roomMore), me: 'me', participants: people, active: null, pinned: null, ...more })

describe('arrange', () => {
  it('puts the chair first and shows neither spectators nor the lobby', () => {
    expect(ordered(scene()).map((each) => each.id)).toEqual(['chair', 'gate', 'a', 'me'])
  })

  it('follows the speaker, never oneself', () => {
    expect(arrange(scene({ active: 'a' }), 'speaker')).toMatchObject({ main: { participantId: 'a' }, reason: 'speaking' })
    expect(arrange(scene({ active: 'me' }), 'speaker')).toMatchObject({ main: { participantId: 'chair' }, reason: 'chair' })
  })

  it('obeys roll call, then spotlight, then shared screen, then the own choice', () => {
    const pinned = 'camera/gate video'
    const content = { source: 'participant/a' }
    const spotlight = { source: 'camera/gate' }
    const roll = { state: 'running' as const, current: 'chair', entries: [] }
    expect(arrange(scene({ pinned, active: 'a' }), 'speaker').main?.key).toBe(pinned)
    expect(arrange(scene({ pinned }, { content }), 'speaker').main?.key).toBe('participant/a screen')
    expect(arrange(scene({ pinned }, { content, spotlight }), 'speaker').reason).toBe('spotlight')
    expect(arrange(scene({ pinned }, { content, spotlight, roll_call: roll }), 'speaker')).toMatchObject({ reason: 'roll_call', main: { participantId: 'chair' } })
  })

  it('keeps the camera of whoever shares among the small pictures', () => {
    const { rest } = arrange(scene({}, { content: { source: 'participant/a' } }), 'speaker')
    expect(rest.map((each) => each.key)).toContain('participant/a camera')
  })

  it('has no large picture in a grid unless everybody shall see one', () => {
    expect(arrange(scene({ active: 'a' }), 'grid')).toMatchObject({ main: null })
    expect(arrange(scene({ active: 'a' }), 'grid').rest).toHaveLength(4)
    expect(arrange(scene({}, { spotlight: { source: 'camera/gate' } }), 'grid').main?.track).toBe('video')
  })

  it('does not mind an empty room or a spotlight on somebody who left', () => {
    expect(arrange({ ...scene(), participants: [] }, 'speaker')).toEqual({ main: null, reason: null, rest: [] })
    expect(arrange(scene({}, { spotlight: { source: 'participant/gone' } }), 'speaker').reason).toBe('chair')
  })
})

describe('pages and grids', () => {
  it('keeps inside the pages there are', () => {
    expect(pageOf([1, 2, 3, 4, 5], 1, 2)).toEqual({ items: [3, 4], page: 1, pages: 3 })
    expect(pageOf([1], 7, 2)).toEqual({ items: [1], page: 0, pages: 1 })
    expect(pageOf([], 0, 4)).toEqual({ items: [], page: 0, pages: 1 })
  })

  it('makes pictures as large as the box lets them', () => {
    expect(gridShape(1, 1600, 900)).toEqual({ columns: 1, rows: 1 })
    expect(gridShape(4, 1600, 900)).toEqual({ columns: 2, rows: 2 })
    expect(gridShape(2, 390, 700)).toEqual({ columns: 1, rows: 2 })
    expect(gridShape(9, 1600, 900)).toEqual({ columns: 3, rows: 3 })
  })
})
