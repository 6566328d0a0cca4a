/** The live page's session: one line and one connection for all its tiles. */
import { sessions } from '@/api/endpoints'
import { SessionClient } from '@/session/client'
import { provideSession, type PageSession } from '@/session/context'
import { useDirectory } from '@/stores/directory'
import type { LinkState } from '@/session/link'
import type { QualityLevel } from '@/session/linkQuality'
import { EMPTY_ROOM, type RoomState } from '@/session/roomState'
import { onBeforeUnmount, onMounted, shallowRef } from 'vue'

export function useWall(): PageSession {
  const link = shallowRef<LinkState>({ kind: 'idle' })
  const room = shallowRef<RoomState>(EMPTY_ROOM)
  const quality = shallowRef<QualityLevel | null>(null)
  const directory = useDirectory()
  const client = new SessionClient(
    { ticket: () => sessions.create(), firstSlots: { audio: 0, video: 4 }, hearsRoom: false },
    {
      onLink: (state) => (link.value = state),
      onRoom: (state) => (room.value = state),
      onQuality: (level) => (quality.value = level),
      // A picture was taken away: the camera is gone or the right is, and the list with it.
      onEvent: (event) => event.type === 'unsubscribed' && void directory.load().catch(() => undefined),
    },
  )
  const leave = () => void client.stop(true)
  const session: PageSession = { client, link, room, quality }
  provideSession(session)
  onMounted(() => {
    client.start()
    window.addEventListener('pagehide', leave)
  })
  onBeforeUnmount(() => {
    window.removeEventListener('pagehide', leave)
    leave()
  })
  return session
}
