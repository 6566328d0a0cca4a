import { describe, expect, it } from 'vitest'
import { levelOf, lossBetween, readingOfLine, worst } from './linkQuality'

describe('own line', () => {
  it('adds up all tracks and takes the path in use', () => {
    const reading = readingOfLine(
      [
        { type: 'candidate-pair', nominated: false, currentRoundTripTime: 9 },
        { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.08, bytesSent: 10, bytesReceived: 20 },
        { type: 'inbound-rtp', packetsReceived: 90, packetsLost: 10 },
        { type: 'inbound-rtp', packetsReceived: 110 },
        { type: 'remote-inbound-rtp', fractionLost: 0.03 },
      ],
      5,
    )
    expect(reading).toEqual({ atMs: 5, rttMs: 80, received: 200, lost: 10, remoteLoss: 0.03, sentBytes: 10, receivedBytes: 20 })
  })

  it('counts loss of the last second only, and none of a handful of packets', () => {
    const base = readingOfLine([], 0)
    expect(lossBetween(base, { ...base, received: 90, lost: 10 })).toBeCloseTo(0.1)
    expect(lossBetween(base, { ...base, received: 3, lost: 3 })).toBe(0)
    expect(lossBetween(base, { ...base, remoteLoss: 0.2 })).toBe(0.2)
  })

  it('says one of five steps', () => {
    expect(levelOf(40, 0, true)).toBe(4)
    expect(levelOf(40, 0.03, true)).toBe(3)
    expect(levelOf(700, 0, true)).toBe(2)
    expect(levelOf(40, 0.3, true)).toBe(1)
    expect(levelOf(40, 0, false)).toBe(0)
    expect(worst([4, null, 2])).toBe(2)
    expect(worst([null])).toBeNull()
  })
})
