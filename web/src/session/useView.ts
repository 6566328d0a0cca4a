/** A picture of the session in a `<video>`: asked for at the size it is shown, paused while nobody sees it. */
import { onBeforeUnmount, onMounted, ref, shallowRef, watch, type Ref } from 'vue'
import { usePageSession } from './context'
import type { TrackName } from './protocol'
import { useTileSize } from './useTileSize'
import type { View, ViewState } from './views'

export interface ViewWish {
  /** null: nothing is asked for. */
  source: Ref<string | null>
  track: Ref<TrackName>
  box: Ref<HTMLElement | null>
  video: Ref<HTMLVideoElement | null>
}

export function useView({ source, track, box, video }: ViewWish) {
  const { client } = usePageSession()
  const state = shallowRef<ViewState>({ kind: 'asking' })
  const hasPicture = ref(false)
  const { widthPx, heightPx, isHidden } = useTileSize(box)
  let view: View | null = null
  let shown: MediaStreamTrack | null = null

  function show(): void {
    if (!video.value) return
    video.value.srcObject = shown ? new MediaStream([shown]) : null
    if (shown) void video.value.play().catch(() => undefined)
  }

  function stop(): void {
    view?.close()
    view = shown = null
    hasPicture.value = false
    show()
  }

  function start(): void {
    stop()
    state.value = { kind: 'asking' }
    if (source.value === null) return
    view = client.view(source.value, track.value, 'video', {
      onTrack: (next) => {
        shown = next
        hasPicture.value = false
        show()
      },
      onState: (next) => (state.value = next),
    }, { width: widthPx.value, height: heightPx.value })
    view.resize(widthPx.value, heightPx.value, isHidden.value)
  }

  watch([source, track], start, { flush: 'post' })
  watch([widthPx, heightPx, isHidden], () => view?.resize(widthPx.value, heightPx.value, isHidden.value))
  onMounted(start)
  onBeforeUnmount(stop)

  /** The element says that pictures really come. */
  function onPicture(): void {
    hasPicture.value = video.value !== null && video.value.srcObject !== null
  }
  return { state, hasPicture, onPicture }
}
