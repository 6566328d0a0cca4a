import { describe, expect, it } from 'vitest'
import { EventStreamParser } from './sse'

const WIRE = ': hello\nevent: camera.status\ndata: {"id":"cam1"}\n\ndata: a\r\ndata: b\r\n\r\nevent: ping\n\n'

describe('EventStreamParser', () => {
  it('gives the same events however the bytes are cut', () => {
    const whole = new EventStreamParser().push(WIRE)
    expect(whole).toEqual([
      { name: 'camera.status', data: '{"id":"cam1"}' },
      { name: 'message', data: 'a\nb' },
    ])
    for (let size = 1; size < WIRE.length; size += 1) {
      const parser = new EventStreamParser()
      const events = []
      for (let at = 0; at < WIRE.length; at += size) events.push(...parser.push(WIRE.slice(at, at + size)))
      expect(events).toEqual(whole)
    }
  })

  it('keeps an unfinished event to itself', () => {
    const parser = new EventStreamParser()
    expect(parser.push('data: half')).toEqual([])
    expect(parser.push('\n')).toEqual([])
    expect(parser.push('\n')).toEqual([{ name: 'message', data: 'half' }])
  })
})
