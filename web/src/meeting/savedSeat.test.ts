import { describe, expect, it } from 'vitest'
import { parseSeat } from './savedSeat'

const seat = { resumeToken: 'r', atMs: 1_000_000, join: { display_name: '王' }, isGuest: true, isMicOn: true, isCameraOn: false }

describe('parseSeat', () => {
  it('is good for a minute', () => {
    expect(parseSeat(JSON.stringify(seat), 1_030_000)).toEqual(seat)
    expect(parseSeat(JSON.stringify(seat), 1_061_000)).toBeNull()
  })

  it.each([null, '', '{', '7', '{"resumeToken":1}', '{"resumeToken":"a","atMs":"x"}'])('shrugs at stored %s', (text) => {
    expect(parseSeat(text, 0)).toBeNull()
  })
})
