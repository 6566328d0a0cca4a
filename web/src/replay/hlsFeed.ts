/**
 * One playlist in one `<video>`: hls.js, what it says of its fragments, and its failures in words. The player makes a
 * feed for every window and for each of the two playlists, of all pictures and of key pictures.
 */
import Hls, { ErrorDetails, Events, type ErrorData, type LevelDetails } from 'hls.js'
import { ApiError, problemOf } from '@/api/problem'
import { session } from '@/api/http'
import { pictureStartS, type Fragment } from './mediaTime'

const MAX_RECOVERIES = 2

export interface FeedOptions {
  url: string
  bufferS: number
  /** The playlist is there; nothing is loaded before `start`. */
  onListed: (feed: HlsFeed) => void
  onFailed: (failure: ApiError) => void
}

/** What stopped the player, as an error with words; codecs are told apart because there waiting is no cure. */
function failureOf(data: ErrorData): ApiError {
  const { BUFFER_ADD_CODEC_ERROR, BUFFER_INCOMPATIBLE_CODECS_ERROR, MANIFEST_INCOMPATIBLE_CODECS_ERROR } = ErrorDetails
  if ([BUFFER_ADD_CODEC_ERROR, BUFFER_INCOMPATIBLE_CODECS_ERROR, MANIFEST_INCOMPATIBLE_CODECS_ERROR].includes(data.details))
    return new ApiError('replay_codec', 0, '', '', null)
  const status = data.response?.code ?? 0
  if (status >= 400) {
    const request: unknown = data.networkDetails
    return problemOf(status, request instanceof XMLHttpRequest ? request.responseText : '', null, null)
  }
  return new ApiError(data.type === Hls.ErrorTypes.NETWORK_ERROR ? 'network' : 'replay_broken', 0, '', '', null)
}

export class HlsFeed {
  private readonly hls: Hls
  private details: LevelDetails | null = null
  private recoveries = 0
  /** Per continuity: what hls.js takes off the times in the files, in seconds. */
  private readonly shiftS = new Map<number, number>()

  constructor(video: HTMLVideoElement | null, options: FeedOptions) {
    const hls = (this.hls = new Hls({
      // A worker would be made of a blob and brings nothing here: the fragments need no remuxing.
      enableWorker: false,
      autoStartLoad: false,
      maxBufferLength: options.bufferS,
      backBufferLength: 60,
      xhrSetup: (xhr) => {
        for (const [name, value] of Object.entries(session.bearer)) xhr.setRequestHeader(name, value)
      },
    }))
    hls.on(Events.LEVEL_LOADED, (_, data) => {
      const isFirst = this.details === null
      this.details = data.details
      if (isFirst) options.onListed(this)
    })
    hls.on(Events.INIT_PTS_FOUND, (_, data) => this.shiftS.set(data.frag.cc, data.initPTS / data.timescale))
    hls.on(Events.ERROR, (_, data) => {
      const failure = data.fatal ? this.recoverOrFail(data) : null
      if (failure) options.onFailed(failure)
    })
    hls.loadSource(options.url)
    if (video) hls.attachMedia(video)
  }

  get isListed(): boolean {
    return this.details !== null
  }

  get fragments(): Fragment[] {
    const list: Fragment[] = []
    for (const fragment of this.details?.fragments ?? []) {
      const wallMs = fragment.programDateTime
      if (wallMs === null) continue
      const startS = pictureStartS(fragment.title, this.shiftS.get(fragment.cc)) ?? fragment.start
      list.push({ startS, durationS: fragment.duration, wallMs })
    }
    return list
  }

  start(mediaS: number): void {
    this.hls.startLoad(mediaS)
  }

  close(): void {
    this.hls.destroy()
    this.details = null
  }

  private recoverOrFail(data: ErrorData): ApiError | null {
    const failure = failureOf(data)
    const isCurable = data.type === Hls.ErrorTypes.MEDIA_ERROR && failure.code !== 'replay_codec'
    if (!isCurable || this.recoveries >= MAX_RECOVERIES) return failure
    this.recoveries += 1
    this.hls.recoverMediaError()
    return null
  }
}
