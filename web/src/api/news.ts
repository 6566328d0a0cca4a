/** What the hub's events mean to the console; pure. */
import type { ServerEvent } from './sse'
import type { Call, CameraStatus } from './types'

export interface Alarm {
  kind: string
  cameraId: string | null
  atMs: number
}

/** Somebody calls. */
export interface Ring {
  callId: string
  roomId: string
  from: string
  isAutoAnswered: boolean
  isAudioOnly: boolean
}

export type News =
  | { kind: 'ringing'; ring: Ring }
  | { kind: 'call_accepted'; callId: string }
  | { kind: 'call_ended'; callId: string; roomId: string | null; reason: string }
  | { kind: 'room'; roomId: string }
  | { kind: 'status'; cameraId: string; status: CameraStatus }
  | { kind: 'alarm'; alarm: Alarm }
  | { kind: 'revoked' }
  | { kind: 'resync' }

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** A call found by asking, for a page that was away when it began to ring. */
export function ringOf(call: Call): Ring {
  return { callId: call.id, roomId: call.room_id, from: call.from_name, isAutoAnswered: call.auto_answer, isAudioOnly: call.audio_only }
}

function textOf(data: Record<string, unknown>, name: string): string {
  const value = data[name]
  return typeof value === 'string' ? value : ''
}

function callNews(name: string, data: Record<string, unknown>): News | null {
  const callId = textOf(data, 'call_id')
  if (name === 'call_ended' && callId) return { kind: 'call_ended', callId, roomId: textOf(data, 'room_id') || null, reason: textOf(data, 'reason') || 'ended' }
  if (name === 'call_accepted' && callId) return { kind: 'call_accepted', callId }
  if (name === 'room_changed') return { kind: 'room', roomId: textOf(data, 'room_id') || textOf(data, 'id') }
  if (name !== 'call_ringing' || !callId) return null
  const ring: Ring = {
    callId, roomId: textOf(data, 'room_id'), from: textOf(data, 'from_name') || textOf(data, 'from'),
    isAutoAnswered: data['auto_answer'] === true, isAudioOnly: data['audio_only'] === true,
  }
  return { kind: 'ringing', ring }
}

/** null for pings and for anything this console does not know. */
export function newsOf(event: ServerEvent, nowMs: number = Date.now()): News | null {
  const data = fieldsOf(event.data)
  const cameraId = [data['id'], data['camera_id']].find((value) => typeof value === 'string') ?? null
  const status = data['status']
  if (event.name === 'camera.status' && typeof cameraId === 'string' && typeof status === 'object' && status !== null)
    return { kind: 'status', cameraId, status: status as CameraStatus }
  if (event.name === 'recording.alarm') {
    const kind = typeof data['kind'] === 'string' ? data['kind'] : 'alarm'
    return { kind: 'alarm', alarm: { kind, cameraId: typeof cameraId === 'string' ? cameraId : null, atMs: nowMs } }
  }
  if (event.name === 'session.revoked') return { kind: 'revoked' }
  return event.name === 'resync' ? { kind: 'resync' } : callNews(event.name, data)
}
