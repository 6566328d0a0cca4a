/** Organisations and cameras this user may see, kept current by the hub's event stream. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, triggerRef } from 'vue'
import { cameras as cameraApi, orgs as orgApi } from '@/api/endpoints'
import { EventFeed } from '@/api/events'
import { newsOf, type Alarm } from '@/api/news'
import { tellNews } from '@/api/newsBus'
import type { ServerEvent } from '@/api/sse'
import type { Camera, CameraStatus, Org } from '@/api/types'
import { buildTree } from '@/tree/orgTree'


const MAX_ALARMS = 20
const RELOAD_AFTER_MS = 1_000

export const useDirectory = defineStore('directory', () => {
  const orgs = shallowRef<Org[]>([])
  const cameras = shallowRef<Map<string, Camera>>(new Map())
  const loaded = ref(false)
  const linked = ref(false)
  const alarms = ref<Alarm[]>([])
  const revoked = ref(0)
  const orgById = computed(() => new Map(orgs.value.map((org) => [org.id, org])))
  const tree = computed(() => buildTree(orgs.value, [...cameras.value.values()]))
  const onlineCount = computed(() => tree.value.reduce((sum, node) => sum + node.online, 0))
  let feed: EventFeed | null = null
  let wasLinked = false
  let reload: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    const [orgList, cameraList] = await Promise.all([orgApi.list(), cameraApi.list()])
    orgs.value = orgList
    cameras.value = new Map(cameraList.map((camera) => [camera.id, camera]))
    loaded.value = true
  }

  function put(camera: Camera): void {
    const known = cameras.value.get(camera.id)
    cameras.value.set(camera.id, { ...camera, status: camera.status ?? known?.status ?? null })
    triggerRef(cameras)
  }

  function applyStatus(cameraId: string, status: CameraStatus): void {
    const camera = cameras.value.get(cameraId)
    if (camera) put({ ...camera, status })
    // Somebody else has just added it: the list is read again, once for many.
    else reload ??= setTimeout(() => void load().catch(() => undefined).finally(() => (reload = undefined)), RELOAD_AFTER_MS)
  }

  function forget(cameraId: string): void {
    cameras.value.delete(cameraId)
    triggerRef(cameras)
  }

  function onEvent(event: ServerEvent): void {
    const news = newsOf(event)
    if (news?.kind === 'status') applyStatus(news.cameraId, news.status)
    else if (news?.kind === 'alarm') alarms.value = [news.alarm, ...alarms.value].slice(0, MAX_ALARMS)
    else if (news?.kind === 'revoked') revoked.value += 1
    else if (news?.kind === 'resync') void load().catch(() => undefined)
    if (news) tellNews(news)
  }

  /** States said while the stream was down are lost, so a new link reads the list again. */
  function onLink(up: boolean): void {
    linked.value = up
    if (up && wasLinked) void load().catch(() => undefined)
    wasLinked = wasLinked || up
  }

  function watchEvents(): void {
    if (!feed) (feed = new EventFeed(onEvent, onLink)).start()
  }

  function clear(): void {
    feed?.stop()
    feed = null
    wasLinked = linked.value = loaded.value = false
    orgs.value = []
    cameras.value = new Map()
    alarms.value = []
  }

  return { orgs, cameras, loaded, linked, alarms, revoked, orgById, tree, onlineCount, load, put, forget, watchEvents, clear }
})
