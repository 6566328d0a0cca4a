/** The session of the page, for the components under it. */
import { inject, provide, type InjectionKey, type ShallowRef } from 'vue'
import type { SessionClient } from './client'
import type { LinkState } from './link'
import type { QualityLevel } from './linkQuality'
import type { RoomState } from './roomState'

export interface PageSession {
  client: SessionClient
  link: Readonly<ShallowRef<LinkState>>
  room: Readonly<ShallowRef<RoomState>>
  quality: Readonly<ShallowRef<QualityLevel | null>>
}

const KEY: InjectionKey<PageSession> = Symbol('session')

export function provideSession(session: PageSession): void {
  provide(KEY, session)
}

export function usePageSession(): PageSession {
  const session = inject(KEY)
  if (!session) throw new Error('no session is provided here')
  return session
}
