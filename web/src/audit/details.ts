/** What an audit row says besides who, what and when, in words instead of field names; pure. */
import { dateTimeOf, lasted } from '@/time/format'

/** Looks up a message, null when there is none. */
export type Lookup = (key: string) => string | null

/** Machine ids: they stay in the row of the hub, a person is not helped by them. */
const HIDDEN = new Set(['session', 'grant'])
/** What a reader looks for first, in this order; the rest follows as it comes. */
const FIRST = ['name', 'reason', 'case_no', 'unit', 'start', 'end']
/** Fields whose values are machine words, with where their words are. */
const WORDS: Record<string, string> = { reason: 'reason', roles: 'role', level: 'level', quality: 'live', stream: 'live', state: 'state', mode: 'recording' }

function rank(key: string): number {
  const at = FIRST.indexOf(key)
  return at < 0 ? FIRST.length : at
}

function wordOf(key: string, value: unknown, words: Lookup): string {
  if (typeof value === 'boolean') return words(value ? 'common.yes' : 'common.no') ?? String(value)
  if ((key === 'start' || key === 'end') && typeof value === 'string' && !Number.isNaN(Date.parse(value))) return dateTimeOf(Date.parse(value))
  if ((key === 'watched_s' || key === 'seconds') && typeof value === 'number') return lasted(value * 1000)
  if (key === 'verbs' && typeof value === 'string' && value.includes(' ')) return wordOf(key, value.split(' '), words)
  if (key === 'verbs' && !Array.isArray(value)) return words(`audit.right.${String(value).replace('.', '_')}`) ?? String(value)
  if (Array.isArray(value)) return value.map((item) => wordOf(key, item, words)).join(' / ')
  if (typeof value === 'object' && value !== null) return pairsOf(value as Record<string, unknown>, words).join(' · ')
  const group = WORDS[key]
  return (group ? words(`${group}.${String(value)}`) : null) ?? String(value)
}

function pairsOf(details: Record<string, unknown>, words: Lookup): string[] {
  return Object.entries(details)
    .filter(([key, value]) => value !== null && value !== '' && value !== false && !HIDDEN.has(key))
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([key, value]) => `${words(`audit.detail.${key}`) ?? key} ${wordOf(key, value, words)}`)
}

export function detailsText(details: Record<string, unknown>, words: Lookup): string {
  return pairsOf(details, words).join(' · ')
}
