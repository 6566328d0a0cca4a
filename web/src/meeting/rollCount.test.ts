import { expect, it } from 'vitest'
import type { RollCallEntry } from '@/session/protocol'
import { countRoll } from './rollCount'

const entry = (state: RollCallEntry['state']): RollCallEntry => ({ participant_id: state, name: state, state, called_at: null, answered_at: null, note: '' })

it('counts a substitute as present, and what is left to call', () => {
  const states = ['present', 'present', 'substitute', 'leave', 'absent', 'called', 'waiting'] as const
  expect(countRoll(states.map(entry))).toEqual({ due: 7, came: 3, substitute: 1, leave: 1, absent: 1, left: 2 })
  expect(countRoll([])).toEqual({ due: 0, came: 0, substitute: 0, leave: 0, absent: 0, left: 0 })
})
