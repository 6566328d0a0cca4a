import { expect, it } from 'vitest'
import { joinLinkOf } from './joinLink'

it('knows a guest by the invitation in the link', () => {
  expect(joinLinkOf({ roomId: 'r-1' }, { invite: 'abc' })).toEqual({ roomId: 'r-1', invite: 'abc' })
  expect(joinLinkOf({ roomId: ['r-1'] }, {})).toEqual({ roomId: 'r-1', invite: null })
  expect(joinLinkOf({ roomId: 'r-1' }, { invite: [null] })).toEqual({ roomId: 'r-1', invite: null })
})
