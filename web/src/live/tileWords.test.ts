import { describe, expect, it } from 'vitest'
import { ApiError } from '@/api/problem'
import type { CameraStatus } from '@/api/types'
import type { QualityChoice } from './quality'
import { tileWords } from './tileWords'

const sub: QualityChoice = { quality: 'sub', note: null }
const online: CameraStatus = { state: 'online', since: '2026-11-22T00:00:00Z' }
const failed = (code: string, status: number) =>
  ({ kind: 'failed', error: new ApiError(code, status, 'title', 'detail', 'trace-1'), retryAtMs: 99 }) as const

describe('tileWords', () => {
  it('is silent only over a moving picture', () => {
    expect(tileWords(online, sub, { kind: 'playing', audio: 'none', frozenMs: 0 })).toBeNull()
    expect(tileWords(online, sub, { kind: 'playing', audio: 'none', frozenMs: 5000 })?.key).toBe('frozen')
  })

  it('has words for every other state', () => {
    const states = [{ kind: 'idle' }, { kind: 'connecting' }, failed('network', 0), failed('x', 500)] as const
    for (const camera of [null, online, { state: 'connecting' }, { state: 'offline' }, { state: 'disabled' }] as const)
      for (const state of states) expect(tileWords(camera, sub, state)?.key).toBeTruthy()
  })

  it('tells why and since when a camera is away, not that the viewer failed', () => {
    const away: CameraStatus = { state: 'offline', reason: 'unreachable', since: '2026-11-22T00:00:00Z' }
    expect(tileWords(away, sub, failed('network', 0))).toMatchObject({
      key: 'offline',
      reason: 'unreachable',
      sinceMs: Date.parse('2026-11-22T00:00:00Z'),
    })
  })

  it('does not call a camera offline whose sub stream is a little late', () => {
    expect(tileWords(online, sub, failed('source_offline', 0))).toMatchObject({ tone: 'wait', key: 'source', retryAtMs: 99 })
    expect(tileWords({ state: 'connecting' }, sub, failed('source_offline', 0))).toMatchObject({ tone: 'wait', key: 'source' })
  })

  it('names H.265 when there is nothing to fall back to', () => {
    expect(tileWords(online, { quality: null, note: 'h265_without_sub' }, { kind: 'idle' })?.key).toBe('h265')
  })

  it('keeps the trace id of a refusal', () => {
    expect(tileWords(online, sub, failed('denied', 403))).toMatchObject({ key: 'denied', traceId: 'trace-1', detail: 'detail' })
  })

  it('calls a camera switched off "disabled", whatever the viewer does', () => {
    expect(tileWords({ state: 'disabled' }, sub, failed('source_offline', 0))).toMatchObject({ tone: 'off', key: 'disabled' })
  })
})
