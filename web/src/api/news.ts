/** What the hub's events mean to the console; pure. */
import type { ServerEvent } from './sse'
import type { CameraStatus } from './types'

export interface Alarm {
  kind: string
  cameraId: string | null
  atMs: number
}

export type News =
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
  return event.name === 'resync' ? { kind: 'resync' } : null
}
