import { describe, expect, it } from 'vitest'
import { faultOf } from './devices'

describe('faultOf', () => {
  it('names what a person can do something about', () => {
    expect(faultOf('NotAllowedError', true, true)).toBe('denied')
    expect(faultOf('PermissionDeniedError', true, true)).toBe('denied')
    expect(faultOf('NotFoundError', true, true)).toBe('none')
    expect(faultOf('OverconstrainedError', true, true)).toBe('none')
    expect(faultOf('NotReadableError', true, true)).toBe('busy')
    expect(faultOf('TypeError', true, true)).toBe('failed')
  })

  it('blames the address before the browser', () => {
    expect(faultOf('TypeError', false, false)).toBe('insecure')
    expect(faultOf('TypeError', true, false)).toBe('unsupported')
  })
})
