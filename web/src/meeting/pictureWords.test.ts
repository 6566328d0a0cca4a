import { expect, it } from 'vitest'
import type { Participant } from '@/session/protocol'
import { pictureWords, type PictureFacts } from './pictureWords'

const person = { kind: 'person', is_online: true } as Participant
const facts: PictureFacts = {
  person, track: 'camera', isOwn: false, hasOwnCamera: false, isAudioOnly: false, isOn: true, isSent: true, source: undefined,
  view: { kind: 'on', rid: 'h', isStopped: false }, hasPicture: true, lineKind: 'open',
}
const key = (more: Partial<PictureFacts>) => pictureWords({ ...facts, ...more })?.key ?? null

it('is silent only over a picture', () => {
  expect(key({})).toBeNull()
  expect(key({ isOwn: true, hasOwnCamera: true })).toBeNull()
  expect(key({ hasPicture: false })).toBe('meeting.noPicture')
  expect(key({ isSent: false })).toBe('meeting.noPicture')
  expect(key({ view: { kind: 'on', rid: null, isStopped: true } })).toBe('meeting.pausedPicture')
})

it('says why there is none', () => {
  expect(key({ isAudioOnly: true })).toBe('meeting.audioOnlyOn')
  expect(key({ isOn: false })).toBe('meeting.noCamera')
  expect(key({ person: { ...person, is_online: false } })).toBe('meeting.offline')
  expect(key({ person: { ...person, kind: 'camera' }, source: { source: '', tracks: [], state: 'offline', reason: null } })).toBe('meeting.cameraOffline')
  expect(key({ view: { kind: 'refused', code: 'no_slot' } })).toBe('refusal.no_slot')
  expect(key({ view: { kind: 'refused', code: 'strange' } })).toBe('meeting.refused')
})
