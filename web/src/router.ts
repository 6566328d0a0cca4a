/** Pages and who may open them. Hash addresses, so that any path prefix or proxy in front of the hub works. */
import { createRouter, createWebHashHistory, type RouteLocationNormalized } from 'vue-router'
import { setup } from './api/endpoints'
import { session as httpSession } from './api/http'
import { useDirectory } from './stores/directory'
import { useSession } from './stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Reached without a session. */
    open?: boolean
    /** Reached without a session, but one is taken up where there is one. */
    guest?: boolean
    /** Verb that shows the page in the navigation and opens it. */
    verb?: string
    titleKey?: string
  }
}

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    { path: '/setup', name: 'setup', component: () => import('./pages/SetupPage.vue'), meta: { open: true } },
    { path: '/login', name: 'login', component: () => import('./pages/LoginPage.vue'), meta: { open: true } },
    { path: '/join/:roomId', name: 'join', component: () => import('./pages/JoinPage.vue'), meta: { open: true, guest: true } },
    { path: '/meeting/:roomId', name: 'meeting', component: () => import('./pages/MeetingPage.vue'), meta: { open: true, guest: true } },
    { path: '/rooms/:roomId/join', name: 'join-member', component: () => import('./pages/JoinPage.vue'), meta: { verb: 'room.join' } },
    {
      path: '/',
      component: () => import('./components/AppShell.vue'),
      children: [
        { path: '', redirect: { name: 'live' } },
        {
          path: 'live',
          name: 'live',
          component: () => import('./pages/LivePage.vue'),
          meta: { verb: 'live.view', titleKey: 'nav.live' },
        },
        {
          path: 'rooms',
          name: 'rooms',
          component: () => import('./pages/RoomsPage.vue'),
          meta: { verb: 'room.join', titleKey: 'nav.rooms' },
        },
        {
          path: 'rooms/:roomId/record',
          name: 'room-record',
          component: () => import('./pages/RoomRecordPage.vue'),
          meta: { titleKey: 'record.title' },
        },
        {
          path: 'endpoints',
          name: 'endpoints',
          component: () => import('./pages/EndpointsPage.vue'),
          meta: { verb: 'room.join', titleKey: 'nav.endpoints' },
        },
        {
          path: 'replay/:cameraId?',
          name: 'replay',
          component: () => import('./pages/ReplayPage.vue'),
          meta: { verb: 'replay.view', titleKey: 'nav.replay' },
        },
        {
          path: 'cameras',
          name: 'cameras',
          component: () => import('./pages/CamerasPage.vue'),
          meta: { verb: 'camera.manage', titleKey: 'nav.cameras' },
        },
        {
          path: 'import',
          name: 'import',
          component: () => import('./pages/ImportPage.vue'),
          meta: { verb: 'camera.manage', titleKey: 'nav.import' },
        },
        {
          path: 'storage',
          name: 'storage',
          component: () => import('./pages/StoragePage.vue'),
          meta: { verb: 'storage.read', titleKey: 'nav.storage' },
        },
        {
          path: 'people',
          name: 'people',
          component: () => import('./pages/PeoplePage.vue'),
          meta: { verb: 'user.read', titleKey: 'nav.people' },
        },
        {
          path: 'audit',
          name: 'audit',
          component: () => import('./pages/AuditPage.vue'),
          meta: { verb: 'audit.read', titleKey: 'nav.audit' },
        },
        { path: 'denied', name: 'denied', component: () => import('./pages/DeniedPage.vue') },
        { path: ':rest(.*)*', redirect: { name: 'live' } },
      ],
    },
  ],
})

let setupChecked = false

async function setupNeeded(): Promise<boolean> {
  if (setupChecked) return false
  try {
    const { needed } = await setup.needed()
    setupChecked = !needed
    return needed
  } catch {
    return false
  }
}

router.beforeEach(async (to: RouteLocationNormalized) => {
  const session = useSession()
  if (to.name === 'setup') return (await setupNeeded()) ? true : { name: 'login' }
  if (to.meta.guest && session.me === null) await session.restore()
  if (to.meta.open) {
    if (await setupNeeded()) return { name: 'setup' }
    return true
  }
  if (session.me === null && !(await session.restore())) {
    if (await setupNeeded()) return { name: 'setup' }
    return { name: 'login', query: to.fullPath === '/live' ? {} : { back: to.fullPath } }
  }
  if (to.meta.verb && !session.can(to.meta.verb)) {
    const first = router.getRoutes().find((route) => route.meta.verb && session.can(route.meta.verb))
    return first && to.name === 'live' ? { name: first.name as string } : { name: 'denied' }
  }
  return true
})

/** The hub no longer accepts this session: back to the log-in page, and afterwards back here. */
httpSession.onSignedOut = () => {
  const session = useSession()
  if (session.me === null) return
  session.leave()
  useDirectory().clear()
  const back = router.currentRoute.value.fullPath
  void router.push({ name: 'login', query: { ended: '1', back } })
}
