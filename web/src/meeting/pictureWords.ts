/** What a tile of the meeting says instead of a picture; null when the picture speaks for itself; pure. */
import type { Participant } from '@/session/protocol'
import type { SourceState } from '@/session/roomState'
import type { ViewState } from '@/session/views'

export interface PictureFacts {
  person: Participant | undefined
  track: string
  isOwn: boolean
  hasOwnCamera: boolean
  isAudioOnly: boolean
  isOn: boolean
  isSent: boolean
  source: SourceState | undefined
  view: ViewState
  hasPicture: boolean
  lineKind: string
}

export interface PictureWords {
  /** calm: nothing is wrong; wait: it is coming; bad: something is. */
  tone: 'calm' | 'wait' | 'bad'
  key: string
}

export function pictureWords(facts: PictureFacts): PictureWords | null {
  const { person, source } = facts
  if (facts.isAudioOnly) return { tone: 'calm', key: 'meeting.audioOnlyOn' }
  if (facts.isOwn) return facts.hasOwnCamera ? null : { tone: 'calm', key: 'meeting.noCamera' }
  if (person && !person.is_online) return { tone: 'bad', key: 'meeting.offline' }
  if (source?.state === 'offline') return { tone: 'bad', key: person?.kind === 'camera' ? 'meeting.cameraOffline' : 'meeting.noPicture' }
  if (!facts.isOn) return { tone: 'calm', key: 'meeting.noCamera' }
  if (facts.view.kind === 'refused') {
    const known = ['no_slot', 'codec_unsupported', 'not_permitted', 'source_offline', 'source_not_found']
    return { tone: 'bad', key: known.includes(facts.view.code) ? `refusal.${facts.view.code}` : 'meeting.refused' }
  }
  if (facts.hasPicture && facts.isSent) return facts.view.kind === 'on' && facts.view.isStopped ? { tone: 'wait', key: 'meeting.pausedPicture' } : null
  return { tone: 'wait', key: 'meeting.noPicture' }
}
