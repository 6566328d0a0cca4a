/** What the join page hands to the meeting page: who, with which devices, and the first ticket. */
import type { JoinInput, JoinTicket } from '@/api/types'
import { LocalMedia } from './localMedia'
import type { UplinkPlan } from '@/session/encodings'

export interface JoinIntent {
  roomId: string
  join: JoinInput
  isGuest: boolean
  /** The ticket got on the join page; later ones are asked for anew. */
  ticket: JoinTicket | null
  media: LocalMedia
  /** To come back to a seat of a moment ago. */
  resumeToken: string | null
  isAudioOnly: boolean
}

let pending: JoinIntent | null = null

export function prepare(intent: JoinIntent): void {
  pending?.media.close()
  pending = intent
}

/** Taken once, by the meeting page of that room. */
export function takeIntent(roomId: string): JoinIntent | null {
  const intent = pending?.roomId === roomId ? pending : null
  if (intent) pending = null
  return intent
}

export function intentOf(roomId: string, join: JoinInput, isGuest: boolean, plan: UplinkPlan): JoinIntent {
  return { roomId, join, isGuest, ticket: null, media: new LocalMedia(plan), resumeToken: null, isAudioOnly: false }
}
