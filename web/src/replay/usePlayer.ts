/**
 * Plays recordings of one camera by wall-clock time: hls.js over the VOD playlist of about an hour, moved on when it
 * runs out. Speeds from 4× step through key pictures by seeking. Mapping and policy are in `mediaTime` and `speed`.
 */
import Hls, { ErrorDetails, Events, type ErrorData, type LevelDetails } from 'hls.js'
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import { replay } from '@/api/endpoints'
import { session } from '@/api/http'
import { isoOf } from '@/time/format'
import { positionOf, wallOf, windowFor, type Fragment, type PlayWindow } from './mediaTime'
import { frameStepS, stepPlan, type Speed } from './speed'

export type PlayerPhase = 'idle' | 'opening' | 'ready' | 'ended' | 'failed'

export interface PlayerSource {
  cameraId: string
  day: PlayWindow
  nowMs: () => number
  /** Makes sure a grant covers the window; false = not allowed by the person at the keyboard. */
  permit: (window: PlayWindow) => Promise<boolean>
}

function fragmentsOf(details: LevelDetails | null): Fragment[] {
  const list: Fragment[] = []
  for (const fragment of details?.fragments ?? []) {
    const wallMs = fragment.programDateTime
    if (wallMs !== null) list.push({ startS: fragment.start, durationS: fragment.duration, wallMs })
  }
  return list
}

export function usePlayer(video: Ref<HTMLVideoElement | null>, source: () => PlayerSource | null) {
  const phase = ref<PlayerPhase>('idle')
  const wallMs = ref<number | null>(null)
  const playing = ref(false)
  const speed = ref<Speed>(1)
  const failure = shallowRef<{ status: number; detail: string } | null>(null)
  let hls: Hls | null = null
  let details: LevelDetails | null = null
  let span: PlayWindow | null = null
  let stepTimer: ReturnType<typeof setInterval> | undefined
  let lastMediaS = 0
  let frameS: number | null = null
  let opening = 0

  function teardown(): void {
    clearInterval(stepTimer)
    hls?.destroy()
    hls = null
    details = null
    span = null
  }

  function close(): void {
    opening += 1
    teardown()
    phase.value = 'idle'
    wallMs.value = null
    playing.value = false
  }

  async function open(targetMs: number): Promise<void> {
    const from = source()
    if (!from) return
    const turn = (opening += 1)
    const window = windowFor(targetMs, from.day, from.nowMs())
    failure.value = null
    if (!(await from.permit(window)) || turn !== opening) return
    teardown()
    span = window
    phase.value = 'opening'
    wallMs.value = targetMs
    attach(replay.playlistUrl(from.cameraId, isoOf(window.startMs), isoOf(window.endMs)), targetMs)
  }

  function attach(url: string, targetMs: number): void {
    const player = (hls = new Hls({
      enableWorker: false,
      autoStartLoad: false,
      maxBufferLength: 20,
      backBufferLength: 60,
      xhrSetup: (xhr) => {
        for (const [name, value] of Object.entries(session.bearer)) xhr.setRequestHeader(name, value)
      },
    }))
    player.on(Events.LEVEL_LOADED, (_, data) => {
      const isFirst = details === null
      details = data.details
      if (isFirst) begin(player, targetMs)
    })
    player.on(Events.ERROR, (_, data) => onError(player, data))
    player.loadSource(url)
    if (video.value) player.attachMedia(video.value)
  }

  function begin(player: Hls, targetMs: number): void {
    const position = positionOf(fragmentsOf(details), targetMs)
    if (!position) {
      phase.value = 'ended'
      return
    }
    wallMs.value = position.wallMs
    player.startLoad(position.mediaS)
    if (!video.value) return
    video.value.currentTime = position.mediaS
    phase.value = 'ready'
    play()
  }

  function onError(player: Hls, data: ErrorData): void {
    if (!data.fatal || player !== hls) return
    if (data.details === ErrorDetails.BUFFER_APPEND_ERROR || data.type === Hls.ErrorTypes.MEDIA_ERROR) {
      player.recoverMediaError()
      return
    }
    phase.value = 'failed'
    playing.value = false
    clearInterval(stepTimer)
    const body = data.networkDetails instanceof XMLHttpRequest ? data.networkDetails.responseText : ''
    failure.value = { status: data.response?.code ?? 0, detail: body }
  }

  function seek(targetMs: number): void {
    const inside = span !== null && targetMs >= span.startMs && targetMs < span.endMs && details !== null
    const position = inside ? positionOf(fragmentsOf(details), targetMs) : null
    if (!position || !video.value || phase.value === 'failed') {
      void open(targetMs)
      return
    }
    wallMs.value = position.wallMs
    phase.value = 'ready'
    video.value.currentTime = position.mediaS
    if (playing.value && stepPlan(speed.value) === null) void video.value.play().catch(() => undefined)
  }

  function play(): void {
    playing.value = true
    clearInterval(stepTimer)
    const element = video.value
    if (!element) return
    const plan = stepPlan(speed.value)
    if (plan === null) {
      element.playbackRate = speed.value
      void element.play().catch(() => (playing.value = false))
      return
    }
    element.pause()
    stepTimer = setInterval(() => {
      const from = source()
      if (!from || element.seeking || wallMs.value === null || phase.value !== 'ready') return
      const nextMs = wallMs.value + plan.stepMs
      if (nextMs < Math.min(from.day.endMs, from.nowMs() - 3_000)) seek(nextMs)
      else finish()
    }, plan.intervalMs)
  }

  function pause(): void {
    playing.value = false
    clearInterval(stepTimer)
    video.value?.pause()
  }

  function setSpeed(next: Speed): void {
    speed.value = next
    if (playing.value) play()
  }

  function stepFrame(by: 1 | -1, cameraFps: number | null | undefined): void {
    pause()
    if (!video.value) return
    // A hair past the edge, so that the picture meant is the one shown whatever the rounding.
    video.value.currentTime = Math.max(0, lastMediaS + by * frameStepS(frameS, cameraFps) + 0.001)
  }

  function onFrame(_: number, metadata: VideoFrameCallbackMetadata): void {
    const delta = metadata.mediaTime - lastMediaS
    if (delta > 0.005 && delta < 0.5 && playing.value && speed.value <= 1) frameS = frameS === null ? delta : Math.min(frameS, delta)
    lastMediaS = metadata.mediaTime
    const wall = wallOf(fragmentsOf(details), metadata.mediaTime)
    if (wall !== null && phase.value === 'ready') wallMs.value = wall
    video.value?.requestVideoFrameCallback(onFrame)
  }

  function onEnded(): void {
    const from = source()
    if (!span || !from) return
    const limit = Math.min(from.day.endMs, from.nowMs() - 5_000)
    if (span.endMs < limit) {
      void open(span.endMs)
      return
    }
    finish()
  }

  function finish(): void {
    clearInterval(stepTimer)
    phase.value = 'ended'
    playing.value = false
  }

  watch(
    video,
    (element) => {
      element?.requestVideoFrameCallback(onFrame)
      element?.addEventListener('ended', onEnded)
    },
    { immediate: true },
  )
  onBeforeUnmount(close)

  return { phase, wallMs, playing, speed, failure, open, seek, play, pause, setSpeed, stepFrame, close }
}
