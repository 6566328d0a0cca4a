/** The life of one tile's picture: chooses the stream, runs a WHEP client, falls back, comes back with the camera. */
import { useDirectory } from '@/stores/directory'
import type { StreamQuality } from '@/api/types'
import { computed, onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import type { LiveFigures } from './liveStats'
import { browserPlaysH265, chooseQuality, type QualityChoice } from './quality'
import { tileWords } from './tileWords'
import { WhepClient, type WhepState } from './whepClient'

const playsH265 = browserPlaysH265()

export function useLivePicture(cameraId: Ref<string | null>, wanted: Ref<StreamQuality>, video: Ref<HTMLVideoElement | null>) {
  const directory = useDirectory()
  const state = shallowRef<WhepState>({ kind: 'idle' })
  const figures = shallowRef<LiveFigures | null>(null)
  /** Set when the hub itself said the main stream cannot be played here. */
  const mainRefused = ref(false)
  let client: WhepClient | null = null

  const camera = computed(() => (cameraId.value === null ? null : (directory.cameras.get(cameraId.value) ?? null)))
  const choice = computed<QualityChoice>(() => {
    const codec = camera.value?.status?.video?.codec ?? null
    return chooseQuality(wanted.value, {
      hasSub: Boolean(camera.value?.sub_source_url),
      mainCodec: mainRefused.value ? 'h265' : codec,
      browserPlaysH265: playsH265 && !mainRefused.value,
    })
  })
  const words = computed(() => tileWords(camera.value?.status ?? null, choice.value, state.value))
  const playable = computed(() => camera.value !== null && camera.value.status?.state !== 'disabled')

  function stop(): void {
    client?.close()
    client = null
    state.value = { kind: 'idle' }
    figures.value = null
    if (video.value) video.value.srcObject = null
  }

  function onState(next: WhepState): void {
    state.value = next
    if (next.kind !== 'playing') figures.value = null
    if (next.kind === 'failed' && next.error.code === 'codec_unsupported' && choice.value.quality === 'main') mainRefused.value = true
  }

  function attach(media: MediaStream): void {
    if (!video.value) return
    video.value.srcObject = media
    // Autoplay of a muted element is always allowed; a refusal only means the page is being left.
    void video.value.play().catch(() => undefined)
  }

  function start(): void {
    stop()
    const { quality } = choice.value
    if (cameraId.value === null || quality === null || !playable.value) return
    client = new WhepClient(cameraId.value, quality, { onState, onStream: attach, onFigures: (now) => (figures.value = now) })
    client.start()
  }

  watch([cameraId, () => choice.value.quality, playable], start, { flush: 'post' })
  watch(cameraId, () => (mainRefused.value = false))
  watch(
    () => camera.value?.status?.state,
    (now, before) => {
      if (now === 'online' && before !== 'online') client?.retryNow()
    },
  )
  window.addEventListener('pagehide', stop)
  onBeforeUnmount(() => {
    window.removeEventListener('pagehide', stop)
    stop()
  })

  return { camera, state, figures, choice, words, start }
}
