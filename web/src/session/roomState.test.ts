import { describe, expect, it } from 'vitest'
import type { Participant, Room, Welcome } from './protocol'
import { applied, EMPTY_ROOM, welcomed } from './roomState'

const person = (id: string, more: Partial<Participant> = {}): Participant => ({
  id, source: `participant/${id}`, kind: 'person', name: id, venue: '', head_count: 1, role: 'attendee', is_online: true, is_in_lobby: false,
  joined_at: '2026-12-01T08:00:00.000Z', hand_at: null, may_speak: true, may_share: true, tracks: {}, ...more,
})
const room: Room = {
  id: 'r', name: '例会', kind: 'meeting', version: 3, phase: 'open', speech: 'open', is_locked: false, has_lobby: false, chair: null, chair_requests: [],
  floor: [], floor_queue: [], is_all_muted: false, spotlight: null, content: null, roll_call: { state: 'running', current: 'a', entries: [] },
  recording: { is_on: false, since: null }, starts_at: null, head_count_total: 2,
}
const welcome: Welcome = {
  type: 'welcome', id: 1, session_id: 's', resume_token: 't', resumed: false, participant: person('me'), room, participants: [person('me'), person('a')],
  sources: [{ type: 'source', source: 'participant/a', state: 'live', tracks: [] }], slots: [], ice_servers: [],
  limits: { video_slots: 9, audio_slots: 3, tracks: 4, messages_per_s: 30 }, server_time: '',
}
const begun = welcomed(EMPTY_ROOM, welcome)

describe('room state', () => {
  it('begins with everything a welcome says', () => {
    expect([...begun.participants.keys()]).toEqual(['me', 'a'])
    expect(begun.sources.get('participant/a')?.state).toBe('live')
  })

  it('follows participants, and oneself among them', () => {
    const muted = applied(begun, { type: 'participant', participant: person('me', { may_speak: false }) })
    expect(muted.me?.may_speak).toBe(false)
    expect(applied(muted, { type: 'participant_left', participant_id: 'a', reason: 'left' }).participants.has('a')).toBe(false)
  })

  it('ignores an older room', () => {
    expect(applied(begun, { type: 'room', room: { ...room, version: 2, name: '旧' } }).room?.name).toBe('例会')
    expect(applied(begun, { type: 'room', room: { ...room, version: 4, name: '新' } }).room?.name).toBe('新')
  })

  it('keeps the chat of a resumed seat and says no line twice', () => {
    const line = { type: 'chat', from: 'a', name: 'a', text: '好', at: '2026-12-01T08:00:01.000Z' } as const
    const said = applied(applied(begun, line), line)
    expect(said.chat).toHaveLength(1)
    expect(welcomed(said, { ...welcome, resumed: true }).chat).toHaveLength(1)
    expect(welcomed(said, { ...welcome, participant: person('other') }).chat).toHaveLength(0)
  })

  it('changes one line of the ledger', () => {
    const entry = { participant_id: 'a', name: 'a', state: 'called', called_at: null, answered_at: null, note: '' } as const
    const called = applied(begun, { type: 'roll_call', entry })
    const present = applied(called, { type: 'roll_call', entry: { ...entry, state: 'present' } })
    expect(present.room?.roll_call.entries).toMatchObject([{ state: 'present' }])
  })

  it('forgets a source that is gone and does not mind unknown events', () => {
    const gone = applied(begun, { type: 'source', source: 'participant/a', state: 'gone', tracks: [] })
    expect(gone.sources.size).toBe(0)
    expect(applied(gone, { type: 'later' } as never)).toBe(gone)
  })
})
