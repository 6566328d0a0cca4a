import { describe, expect, it } from 'vitest'
import { stepped, Subscriptions, type Telling } from './subscriptions'

const wish = (source: string, widthPx = 320, isPaused = false) => ({ source, track: 'video' as const, kind: 'video' as const, widthPx, heightPx: 180, isPaused })

function say(subscriptions: Subscriptions, mid: string | null = '1'): Telling[] {
  const list = subscriptions.next()
  for (const telling of list) {
    subscriptions.sent(telling)
    subscriptions.answered(telling, mid)
  }
  return list
}

describe('Subscriptions', () => {
  it('says a wish once, and a new size when it differs by a step', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    expect(say(all)).toMatchObject([{ type: 'subscribe', source: 'camera/a', width: 320, height: 192 }])
    all.want(wish('camera/a', 310))
    expect(say(all)).toEqual([])
    all.want(wish('camera/a', 640))
    expect(say(all)).toMatchObject([{ type: 'quality', width: 640, paused: false }])
    all.want(wish('camera/a', 640, true))
    expect(say(all)).toMatchObject([{ type: 'quality', paused: true }])
    expect(all.midOf('camera/a', 'video')).toBe('1')
  })

  it('gives slots back before it asks for new ones', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    say(all)
    all.want(wish('camera/b'))
    all.drop('camera/a', 'video')
    expect(say(all).map((each) => [each.type, each.source])).toEqual([['unsubscribe', 'camera/a'], ['subscribe', 'camera/b']])
    expect(all.midOf('camera/a', 'video')).toBeNull()
  })

  it('does not ask twice while an answer is on its way', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    const [first] = all.next() as [Telling]
    all.sent(first)
    expect(all.next()).toEqual([])
    all.drop('camera/a', 'video')
    all.answered(first, '4')
    expect(all.next()).toMatchObject([{ type: 'unsubscribe' }])
  })

  it('keeps a refusal until something changes', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    const [first] = all.next() as [Telling]
    all.sent(first)
    all.refused(first, 'source_offline')
    expect(all.next()).toEqual([])
    expect(all.refusalOf('camera/a', 'video')).toBe('source_offline')
    all.retryAll(new Set(['no_slot']))
    expect(all.next()).toEqual([])
    all.retry('camera/a', 'video')
    expect(all.next()).toHaveLength(1)
  })

  it('asks again after a break in the middle, and for everything after a fresh connection', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    const [first] = all.next() as [Telling]
    all.sent(first)
    all.unanswered(first)
    expect(say(all)).toMatchObject([{ type: 'subscribe' }])
    all.forgetTold()
    expect(say(all)).toMatchObject([{ type: 'subscribe' }])
  })

  it('follows what the hub says of its slots', () => {
    const all = new Subscriptions()
    all.want(wish('camera/a'))
    say(all, '3')
    all.slotChanged('3', null, null)
    expect(all.midOf('camera/a', 'video')).toBeNull()
    all.slotChanged('5', 'camera/a', 'video')
    expect(all.midOf('camera/a', 'video')).toBe('5')
    all.ended('camera/a', 'video', 'revoked')
    expect(all.refusalOf('camera/a', 'video')).toBe('revoked')
  })

  it('counts in steps', () => {
    expect([0, 1, 32, 33, 1920].map(stepped)).toEqual([32, 32, 32, 64, 1920])
  })
})
