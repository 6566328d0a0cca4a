/** The addresses people come in by: `#/join/<room>?invite=<token>` for guests, `#/rooms/<room>/join` for members; pure. */
export interface JoinLink {
  roomId: string
  invite: string | null
}

type Words = Record<string, string | readonly (string | null)[] | null | undefined>

function one(value: Words[string]): string {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? String(value[0] ?? '') : ''
}

export function joinLinkOf(params: Words, query: Words): JoinLink {
  return { roomId: one(params['roomId']), invite: one(query['invite']) || null }
}
