import { describe, expect, it } from 'vitest'
import { strengthOf } from './password'

describe('strengthOf', () => {
  it.each([
    ['', 0, 'short'],
    ['Ab1!', 0, 'short'],
    ['Xadmin-2026!', 0, 'name'],
    ['abcdefghij', 0, 'kinds'],
    ['abcdefgh12', 1, 'kinds'],
    ['Abcdef1234', 2, 'longer'],
    ['Abcdef-12345', 3, null],
    ['correct horse battery', 3, null],
  ])('judges %s', (password, level, hint) => {
    expect(strengthOf(password, 'admin')).toEqual({ level, hint })
  })
})
