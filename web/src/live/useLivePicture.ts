/** What a tile shows: chooses the stream of its camera, holds its picture, follows size, sound and the camera's state. */
import { usePageSession } from '@/session/context'
import { useTileSize } from '@/session/useTileSize'
import { useDirectory } from '@/stores/directory'
import type { Camera, StreamQuality } from '@/api/types'
import { computed, onBeforeUnmount, onMounted, ref, shallowRef, watch, type ComputedRef, type Ref } from 'vue'
import type { LiveFigures } from './liveStats'
import { audioPathOf, type PictureState } from './pictureState'
import { browserPlaysH265, chooseQuality, wishedSize, type QualityChoice } from './quality'
import { tileWords } from './tileWords'
import { TilePicture } from './tilePicture'

const playsH265 = browserPlaysH265()

export interface TileWish {
  cameraId: Ref<string | null>
  quality: Ref<StreamQuality>
  sound: Ref<boolean>
  tile: Ref<HTMLElement | null>
  video: Ref<HTMLVideoElement | null>
}

/** Which stream, in which size. `isRefused`: the hub itself said the main stream cannot be played here. */
function useChoice(wish: TileWish, camera: ComputedRef<Camera | null>, isRefused: Ref<boolean>) {
  const { room } = usePageSession()
  const { widthPx, heightPx, isHidden } = useTileSize(wish.tile)
  const choice = computed<QualityChoice>(() =>
    chooseQuality(wish.quality.value, {
      hasSub: Boolean(camera.value?.sub_source_url),
      mainCodec: isRefused.value ? 'h265' : (camera.value?.status?.video?.codec ?? null),
      browserPlaysH265: playsH265 && !isRefused.value,
    }),
  )
  const subSize = computed(() => {
    const source = room.value.sources.get(`camera/${wish.cameraId.value ?? ''}`)
    return source?.tracks.find((each) => each.name === 'video')?.layers.find((each) => each.rid === 'sub') ?? null
  })
  const size = computed(() => wishedSize(choice.value.quality ?? 'sub', { width: widthPx.value, height: heightPx.value }, subSize.value))
  return { choice, size, isHidden }
}

export function useLivePicture(wish: TileWish) {
  const directory = useDirectory()
  const { client, link } = usePageSession()
  const state = shallowRef<PictureState>({ kind: 'idle' })
  const figures = shallowRef<LiveFigures | null>(null)
  const layer = ref<string | null>(null)
  const isRefused = ref(false)
  let picture: TilePicture | null = null

  const camera = computed(() => (wish.cameraId.value === null ? null : (directory.cameras.get(wish.cameraId.value) ?? null)))
  const { choice, size, isHidden } = useChoice(wish, camera, isRefused)
  const audio = computed(() => audioPathOf(camera.value?.status?.audio?.codec))
  const words = computed(() => tileWords(camera.value?.status ?? null, choice.value, state.value))
  const playable = computed(() => camera.value !== null && camera.value.status?.state !== 'disabled' && choice.value.quality !== null)

  function attach(media: MediaStream): void {
    if (!wish.video.value) return
    wish.video.value.srcObject = media
    // Autoplay of a muted element is always allowed; a refusal only means the page is being left.
    void wish.video.value.play().catch(() => undefined)
  }

  function onState(next: PictureState): void {
    state.value = next
    if (next.kind === 'failed' && next.error.code === 'codec_unsupported' && choice.value.quality === 'main') isRefused.value = true
  }

  function stop(): void {
    picture?.close()
    picture = null
    state.value = { kind: 'idle' }
    if (wish.video.value) wish.video.value.srcObject = null
  }

  function start(): void {
    stop()
    if (!camera.value || !playable.value) return
    const listener = { onState, onMedia: attach, onFigures: (now: LiveFigures | null) => (figures.value = now), onLayer: (rid: string | null) => (layer.value = rid) }
    picture = new TilePicture(client, `camera/${camera.value.id}`, size.value, listener)
    picture.hear(wish.sound.value, audio.value)
    picture.lineSays(link.value)
  }

  watch([wish.cameraId, playable], start, { flush: 'post' })
  watch([size, isHidden], () => picture?.resize(size.value, isHidden.value))
  watch([wish.sound, audio], () => picture?.hear(wish.sound.value, audio.value))
  watch(link, (line) => picture?.lineSays(line))
  watch(wish.cameraId, () => (isRefused.value = false))
  watch(() => camera.value?.status?.state, (now) => now === 'online' && picture?.retryNow())
  onMounted(start)
  onBeforeUnmount(stop)

  return { camera, state, figures, choice, words, layer }
}
