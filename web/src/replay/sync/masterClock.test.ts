import { describe, expect, it } from 'vitest'
import { correctionOf, isRecorded, MasterClock, nextRecordedOf } from './masterClock'

describe('MasterClock', () => {
  it('runs, holds, jumps and changes speed without losing its place', () => {
    const clock = new MasterClock(1000)
    expect(clock.at(50)).toBe(1000)
    clock.run(100)
    expect(clock.at(600)).toBe(1500)
    clock.setSpeed(2, 600)
    expect(clock.at(1100)).toBe(2500)
    clock.hold(1100)
    expect(clock.at(9000)).toBe(2500)
    clock.seek(10_000, 9000)
    clock.run(9000)
    expect(clock.at(9500)).toBe(11_000)
  })
})

describe('correctionOf', () => {
  it('leaves what is close, bends what is off, jumps when it is far', () => {
    expect(correctionOf(0.01, 1)).toEqual({ kind: 'rate', rate: 1 })
    expect(correctionOf(0.1, 1)).toEqual({ kind: 'rate', rate: 1.03 })
    expect(correctionOf(-0.3, 1)).toEqual({ kind: 'rate', rate: 0.94 })
    expect(correctionOf(0.6, 1)).toEqual({ kind: 'seek' })
    expect(correctionOf(0.6, 2)).toEqual({ kind: 'rate', rate: 2.12 })
  })
})

describe('spans', () => {
  const a = [{ startMs: 100, endMs: 200 }]
  const b = [{ startMs: 300, endMs: 400 }]

  it('finds the next moment anything was recorded', () => {
    expect(isRecorded(a, 200)).toBe(false)
    expect(nextRecordedOf([a, b], 150)).toBe(150)
    expect(nextRecordedOf([a, b], 200)).toBe(300)
    expect(nextRecordedOf([a, b], 400)).toBeNull()
  })
})
