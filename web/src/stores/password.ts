/** How strong a password is, in steps a person can act on; pure. Level 0 is what the hub refuses. */

export interface Strength {
  /** 0 unusable … 3 strong. */
  level: 0 | 1 | 2 | 3
  /** What to improve next, a key of `password.*`; null when strong. */
  hint: 'short' | 'kinds' | 'name' | 'longer' | null
}

const MIN_LENGTH = 8

export function kindsOf(password: string): number {
  return [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length
}

export function strengthOf(password: string, username: string): Strength {
  if (password.length < MIN_LENGTH) return { level: 0, hint: 'short' }
  if (username.length >= 3 && password.toLowerCase().includes(username.toLowerCase())) return { level: 0, hint: 'name' }
  if (kindsOf(password) < 2) return { level: 0, hint: 'kinds' }
  if (kindsOf(password) < 3 && password.length < 16) return { level: 1, hint: 'kinds' }
  if (password.length < 12) return { level: 2, hint: 'longer' }
  return { level: 3, hint: null }
}
