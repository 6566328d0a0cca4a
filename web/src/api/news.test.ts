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

it('tells a call, its end, and a room that changed', () => {
  const ringing = newsOf({ name: 'call_ringing', data: '{"call_id":"c","room_id":"r","from":"u1","from_name":"李建国","auto_answer":true}' })
  expect(ringing).toEqual({ kind: 'ringing', ring: { callId: 'c', roomId: 'r', from: '李建国', isAutoAnswered: true, isAudioOnly: false } })
  expect(newsOf({ name: 'call_ended', data: '{"call_id":"c","reason":"declined"}' })).toEqual({ kind: 'call_ended', callId: 'c', roomId: null, reason: 'declined' })
  expect(newsOf({ name: 'room_changed', data: '{"room_id":"r"}' })).toEqual({ kind: 'room', roomId: 'r' })
  expect(newsOf({ name: 'call_ringing', data: '{}' })).toBeNull()
})
