import { describe, expect, it } from 'vitest'
import { ApiError } from '@/api/problem'
import { retryAfterFailure } from './retryPolicy'

const failure = (code: string, status: number, retryAfterS: number | null = null) =>
  new ApiError(code, status, '', '', null, retryAfterS)

describe('retryAfterFailure', () => {
  it('gives up where waiting changes nothing', () => {
    expect(retryAfterFailure(failure('codec_unsupported', 409), 0, 0)).toBeNull()
    expect(retryAfterFailure(failure('denied', 403), 0, 0)).toBeNull()
    expect(retryAfterFailure(failure('not_found', 404), 0, 0)).toBeNull()
  })

  it('asks a camera that is away soon at first, then slowly and for ever', () => {
    expect(retryAfterFailure(failure('source_offline', 0), 0, 1)).toBe(1000)
    expect(retryAfterFailure(failure('source_offline', 0), 99, 1)).toBe(15_000)
  })

  it('backs off from a hub that is restarting', () => {
    expect(retryAfterFailure(failure('network', 0), 0, 1)).toBe(1000)
    expect(retryAfterFailure(failure('network', 0), 9, 1)).toBe(30_000)
  })

  it('honours Retry-After', () => {
    expect(retryAfterFailure(failure('too_many_requests', 429, 7), 0, 1)).toBe(7000)
  })
})
