/** Whoever wants to hear of what the hub tells, beside the directory: calls, lists of rooms. */
import type { News } from './news'

const listeners = new Set<(news: News) => void>()

/** Returns how to stop listening. */
export function onNews(listener: (news: News) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function tellNews(news: News): void {
  for (const listener of listeners) listener(news)
}
