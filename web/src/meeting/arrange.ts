/** Who is where on the screen; pure. The chair's spotlight and a roll call come before a shared screen, that before the speaker. */
import type { Participant, Room } from '@/session/protocol'

export type Layout = 'speaker' | 'grid'
export type PictureTrack = 'camera' | 'video' | 'screen'

export interface Picture {
  key: string
  participantId: string
  source: string
  track: PictureTrack
}

export type MainReason = 'roll_call' | 'spotlight' | 'content' | 'pinned' | 'speaking' | 'chair' | 'other' | 'alone'

export interface Arrangement {
  main: Picture | null
  reason: MainReason | null
  rest: Picture[]
}

export interface Scene {
  room: Room | null
  me: string | null
  participants: readonly Participant[]
  active: string | null
  /** Chosen by the person at this screen: a picture's key. */
  pinned: string | null
}

export function pictureOf(person: Participant, track?: PictureTrack): Picture {
  const shown = track ?? (person.kind === 'camera' ? 'video' : 'camera')
  return { key: `${person.source} ${shown}`, participantId: person.id, source: person.source, track: shown }
}

/** Those who have a place on the screen, in a steady order: chair, those with the floor, speakers, cameras, then by arrival. */
export function ordered(scene: Scene): Participant[] {
  const floor = new Set(scene.room?.floor ?? [])
  const rank = (person: Participant): number => {
    if (person.id === scene.room?.chair) return 0
    if (floor.has(person.id)) return 1
    if (person.role === 'speaker') return 2
    if (person.kind === 'camera') return 3
    return person.role === 'observer' ? 5 : 4
  }
  return scene.participants
    .filter((person) => !person.is_in_lobby && (person.role !== 'observer' || person.id === scene.me))
    .sort((a, b) => rank(a) - rank(b) || a.joined_at.localeCompare(b.joined_at) || a.id.localeCompare(b.id))
}

function mainOf(scene: Scene, people: readonly Participant[]): { picture: Picture; reason: MainReason } | null {
  const { room, me } = scene
  const byId = (id: string | null | undefined) => people.find((person) => person.id === id)
  const bySource = (source: string | undefined) => people.find((person) => person.source === source)
  const called = room?.roll_call.state === 'running' ? byId(room.roll_call.current) : undefined
  if (called) return { picture: pictureOf(called), reason: 'roll_call' }
  const lit = room?.spotlight ? bySource(room.spotlight.source) : undefined
  if (lit) return { picture: pictureOf(lit, room?.spotlight?.track === 'screen' ? 'screen' : undefined), reason: 'spotlight' }
  const sharing = room?.content ? bySource(room.content.source) : undefined
  if (sharing && sharing.id !== me) return { picture: pictureOf(sharing, 'screen'), reason: 'content' }
  const pinned = people.find((person) => pictureOf(person).key === scene.pinned)
  if (pinned) return { picture: pictureOf(pinned), reason: 'pinned' }
  const speaking = byId(scene.active)
  if (speaking && speaking.id !== me) return { picture: pictureOf(speaking), reason: 'speaking' }
  const chair = byId(room?.chair)
  if (chair && chair.id !== me) return { picture: pictureOf(chair), reason: 'chair' }
  const other = people.find((person) => person.id !== me)
  if (other) return { picture: pictureOf(other), reason: 'other' }
  const self = byId(me)
  return self ? { picture: pictureOf(self), reason: 'alone' } : null
}

export function arrange(scene: Scene, layout: Layout): Arrangement {
  const people = ordered(scene)
  const all = people.map((person) => pictureOf(person))
  const main = mainOf(scene, people)
  // A grid has no large picture, unless the room itself wants one seen by everybody.
  const isForAll = main !== null && ['roll_call', 'spotlight', 'content'].includes(main.reason)
  if (main === null || (layout === 'grid' && !isForAll)) return { main: null, reason: null, rest: all }
  return { main: main.picture, reason: main.reason, rest: all.filter((picture) => picture.key !== main.picture.key) }
}

/** One page of the pictures, and how many pages there are. Pages keep their place when somebody leaves. */
export function pageOf<T>(all: readonly T[], page: number, perPage: number): { items: T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(all.length / perPage))
  const at = Math.min(Math.max(0, page), pages - 1)
  return { items: all.slice(at * perPage, (at + 1) * perPage), page: at, pages }
}

/** Columns and rows for so many 16:9 pictures in a box: the split that makes them largest. */
export function gridShape(count: number, widthPx: number, heightPx: number): { columns: number; rows: number } {
  let best = { columns: 1, rows: Math.max(1, count), size: 0 }
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.max(1, Math.ceil(count / columns))
    const size = Math.min(widthPx / columns, ((heightPx / rows) * 16) / 9)
    if (size > best.size) best = { columns, rows, size }
  }
  return { columns: best.columns, rows: best.rows }
}
