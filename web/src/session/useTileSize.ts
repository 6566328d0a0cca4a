/** How large an element is on the screen in device pixels, and whether anybody can see it. */
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

export interface TileSize {
  widthPx: Ref<number>
  heightPx: Ref<number>
  isHidden: Ref<boolean>
}

/** Phones say 3 device pixels for one; a face needs no more than 2. */
const MOST_RATIO = 2
/** A glance at another window is no reason to stop the picture. */
const HIDDEN_AFTER_MS = 5_000

export function useTileSize(element: Ref<HTMLElement | null>): TileSize {
  const widthPx = ref(320)
  const heightPx = ref(180)
  const isHidden = ref(false)
  let isOffScreen = false
  let hideTimer: ReturnType<typeof setTimeout> | undefined
  let resizes: ResizeObserver | null = null
  let sights: IntersectionObserver | null = null

  function measure(): void {
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_RATIO)
    widthPx.value = Math.round((element.value?.clientWidth ?? 0) * ratio) || 320
    heightPx.value = Math.round((element.value?.clientHeight ?? 0) * ratio) || 180
  }

  function judge(): void {
    clearTimeout(hideTimer)
    if (!isOffScreen && document.visibilityState === 'visible') isHidden.value = false
    else hideTimer = setTimeout(() => (isHidden.value = true), HIDDEN_AFTER_MS)
  }

  onMounted(() => {
    resizes = new ResizeObserver(measure)
    sights = new IntersectionObserver((entries) => {
      isOffScreen = entries.at(-1)?.isIntersecting === false
      judge()
    })
    if (element.value) {
      resizes.observe(element.value)
      sights.observe(element.value)
    }
    document.addEventListener('visibilitychange', judge)
    measure()
  })
  onBeforeUnmount(() => {
    clearTimeout(hideTimer)
    resizes?.disconnect()
    sights?.disconnect()
    document.removeEventListener('visibilitychange', judge)
  })
  return { widthPx, heightPx, isHidden }
}
