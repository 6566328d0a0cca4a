/** What a page knows of its room, changed by the hub's events one by one; pure. */
import type { EventOf, Participant, Room, ServerEvent, SourceTrackState, Welcome } from './protocol'

export interface SourceState {
  source: string
  tracks: SourceTrackState[]
  state: 'live' | 'offline' | 'gone'
  reason: string | null
}

export interface ChatLine {
  key: string
  from: string
  name: string
  text: string
  to: string | null
  at: string
}

export interface RoomState {
  room: Room | null
  me: Participant | null
  participants: ReadonlyMap<string, Participant>
  sources: ReadonlyMap<string, SourceState>
  active: string | null
  levels: Readonly<Record<string, number>>
  chat: readonly ChatLine[]
}

const MOST_CHAT_LINES = 500

export const EMPTY_ROOM: RoomState = {
  room: null, me: null, participants: new Map(), sources: new Map(), active: null, levels: {}, chat: [],
}

/** A welcome is the whole truth; chat of before stays when the seat is the same. */
export function welcomed(state: RoomState, welcome: Welcome): RoomState {
  const participants = new Map((welcome.participants ?? []).map((person) => [person.id, person]))
  const me = welcome.participant ?? null
  if (me) participants.set(me.id, me)
  const isSame = me !== null && state.me?.id === me.id
  const begun = { ...EMPTY_ROOM, room: welcome.room ?? null, me, participants, chat: isSame ? state.chat : [] }
  return (welcome.sources ?? []).reduce<RoomState>(applied, begun)
}

function withChat(state: RoomState, event: EventOf<'chat'>): RoomState {
  const key = `${event.at} ${event.from} ${event.text}`
  if (state.chat.some((line) => line.key === key)) return state
  const line: ChatLine = { key, from: event.from, name: event.name, text: event.text, to: event.to ?? null, at: event.at }
  return { ...state, chat: [...state.chat, line].slice(-MOST_CHAT_LINES) }
}

function withParticipant(state: RoomState, person: Participant): RoomState {
  const participants = new Map(state.participants).set(person.id, person)
  return { ...state, participants, me: state.me?.id === person.id ? person : state.me }
}

function withRollCall(state: RoomState, event: EventOf<'roll_call'>): RoomState {
  if (!state.room) return state
  const { roll_call: before } = state.room
  const isKnown = before.entries.some((entry) => entry.participant_id === event.entry.participant_id)
  const entries = isKnown
    ? before.entries.map((entry) => (entry.participant_id === event.entry.participant_id ? event.entry : entry))
    : [...before.entries, event.entry]
  return { ...state, room: { ...state.room, roll_call: { ...before, entries } } }
}

export function applied(state: RoomState, event: ServerEvent): RoomState {
  switch (event.type) {
    case 'room':
      // A late event of before a newer state says nothing.
      return state.room && event.room.version < state.room.version ? state : { ...state, room: event.room }
    case 'participant':
      return withParticipant(state, event.participant)
    case 'participants':
      return event.participants.reduce(withParticipant, state)
    case 'participant_left': {
      const participants = new Map(state.participants)
      participants.delete(event.participant_id)
      return { ...state, participants }
    }
    case 'source': {
      const sources = new Map(state.sources)
      if (event.state === 'gone') sources.delete(event.source)
      else sources.set(event.source, { source: event.source, tracks: event.tracks, state: event.state, reason: event.reason ?? null })
      return { ...state, sources }
    }
    case 'speakers':
      return { ...state, active: event.active, levels: event.levels }
    case 'chat':
      return withChat(state, event)
    case 'roll_call':
      return withRollCall(state, event)
    default:
      return state
  }
}
