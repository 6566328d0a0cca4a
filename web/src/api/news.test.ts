import { describe, expect, it } from 'vitest'
import { newsOf } from './news'

const event = (name: string, data: unknown) => ({ name, data: typeof data === 'string' ? data : JSON.stringify(data) })

describe('newsOf', () => {
  it('reads camera states and alarms', () => {
    expect(newsOf(event('camera.status', { id: 'cam1', status: { state: 'offline' } }))).toEqual({
      kind: 'status',
      cameraId: 'cam1',
      status: { state: 'offline' },
    })
    expect(newsOf(event('recording.alarm', { kind: 'disk_full' }), 7)).toEqual({
      kind: 'alarm',
      alarm: { kind: 'disk_full', cameraId: null, atMs: 7 },
    })
  })

  it('tells when to read everything again and when rights were withdrawn', () => {
    expect(newsOf(event('resync', {}))).toEqual({ kind: 'resync' })
    expect(newsOf(event('session.revoked', {}))).toEqual({ kind: 'revoked' })
  })

  it.each(['{', 'null', '7', '{"id":3,"status":{}}', '{"id":"a","status":null}'])('shrugs at %s', (data) => {
    expect(newsOf(event('camera.status', data))).toBeNull()
  })

  it('has no use for pings', () => {
    expect(newsOf(event('ping', {}))).toBeNull()
  })
})
