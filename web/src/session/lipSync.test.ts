import { describe, expect, it } from 'vitest'
import { LipSync } from './lipSync'
import type { StatsReport } from './subscriber'

const PAIRS = new Map([['a', 'v']])

function reports(delayS: number, count: number): Map<string, StatsReport[]> {
  return new Map([['v', [{ type: 'inbound-rtp', timestamp: 0, jitterBufferDelay: delayS, jitterBufferEmittedCount: count }]]])
}

describe('a voice and its picture', () => {
  it('waits as long as the pictures of the last second did, and again not at all', () => {
    const sync = new LipSync()
    expect(sync.next(PAIRS, reports(100, 1000)).size).toBe(0)
    expect(sync.next(PAIRS, reports(105, 1025)).get('a')).toBe(200)
    expect(sync.next(PAIRS, reports(110.2, 1050)).size).toBe(0)
    expect(sync.next(PAIRS, reports(110.7, 1075)).get('a')).toBeNull()
    expect(sync.next(PAIRS, reports(111.2, 1100)).size).toBe(0)
  })

  it('is left alone while no picture is shown, and never waits long', () => {
    const sync = new LipSync()
    sync.next(PAIRS, reports(0, 0))
    expect(sync.next(PAIRS, reports(0, 0)).size).toBe(0)
    expect(sync.next(PAIRS, reports(50, 25)).get('a')).toBe(400)
  })

  it('waits for nothing in a slot that somebody else speaks in now', () => {
    const sync = new LipSync()
    sync.next(PAIRS, reports(0, 0))
    sync.next(PAIRS, reports(5, 25))
    expect(sync.next(new Map(), reports(10, 50)).get('a')).toBeNull()
    expect(sync.next(new Map(), reports(15, 75)).size).toBe(0)
  })
})
