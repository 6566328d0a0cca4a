/** The figures of a roll call: 应到, 实到, 请假, 缺席; pure. */
import type { RollCallEntry } from '@/session/protocol'

export interface RollCount {
  due: number
  came: number
  substitute: number
  leave: number
  absent: number
  left: number
}

export function countRoll(entries: readonly RollCallEntry[]): RollCount {
  const of = (...states: RollCallEntry['state'][]) => entries.filter((entry) => states.includes(entry.state)).length
  return {
    due: entries.length,
    // Who sends a substitute is there.
    came: of('present', 'substitute'),
    substitute: of('substitute'),
    leave: of('leave'),
    absent: of('absent'),
    left: of('waiting', 'called'),
  }
}
