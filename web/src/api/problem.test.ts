import { describe, expect, it } from 'vitest'
import { problemOf, retryAfterS } from './problem'

describe('problemOf', () => {
  it('reads a problem document', () => {
    const body = JSON.stringify({ code: 'camera_offline', title: '离线', detail: '网络不可达', trace_id: 't-1', codec: 'h265' })
    expect(problemOf(503, body, 'header', '5')).toMatchObject({
      code: 'camera_offline',
      status: 503,
      title: '离线',
      detail: '网络不可达',
      traceId: 't-1',
      retryAfterS: 5,
    })
    expect(problemOf(503, body, null, null).context['codec']).toBe('h265')
  })

  it.each(['', '<html>502</html>', '[]', 'null', '{"title":7}'])('makes a usable error of %s', (body) => {
    expect(problemOf(502, body, 'trace-2', null)).toMatchObject({ code: 'http_502', title: '', traceId: 'trace-2' })
  })
})

describe('retryAfterS', () => {
  it('reads seconds only', () => {
    expect(retryAfterS('12')).toBe(12)
    expect(retryAfterS('Wed, 21 Oct 2015 07:28:00 GMT')).toBeNull()
    expect(retryAfterS(null)).toBeNull()
  })
})
