import { describe, expect, it } from 'vitest'
import { IDLE_LIMIT_MS, idlePhase, WARN_BEFORE_MS, WATCHING_LIMIT_MS } from './idle'

describe('idlePhase', () => {
  it('warns a minute before it ends a session', () => {
    expect(idlePhase(IDLE_LIMIT_MS - WARN_BEFORE_MS - 1, false)).toBe('active')
    expect(idlePhase(IDLE_LIMIT_MS - WARN_BEFORE_MS, false)).toBe('warn')
    expect(idlePhase(IDLE_LIMIT_MS, false)).toBe('expired')
  })

  it('lets a duty desk watch for a shift', () => {
    expect(idlePhase(IDLE_LIMIT_MS, true)).toBe('active')
    expect(idlePhase(WATCHING_LIMIT_MS, true)).toBe('expired')
  })
})
