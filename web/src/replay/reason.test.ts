import { describe, expect, it } from 'vitest'
import { missing, REMEMBER_MS, stillValid } from './reason'

const entry = { reason: '治安案件', caseNo: '', unit: '', atMs: 1000 }

describe('access register', () => {
  it('remembers a reason for 15 minutes', () => {
    expect(stillValid(entry, 1000)).toBe(true)
    expect(stillValid(entry, 1000 + REMEMBER_MS - 1)).toBe(true)
    expect(stillValid(entry, 1000 + REMEMBER_MS)).toBe(false)
    expect(stillValid(entry, 999)).toBe(false)
    expect(stillValid(null, 1000)).toBe(false)
  })

  it('insists on a reason, not on a case number', () => {
    expect(missing(entry)).toBeNull()
    expect(missing({ ...entry, reason: '  ' })).toBe('reason')
  })
})
