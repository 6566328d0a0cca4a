// Made by `python -m streams.session.typescript` of streams/session; a test keeps it current. Do not edit.
// What the messages mean: streams/SIGNALING.md.

export const PROTOCOL_VERSION = 1

export type TrackName = 'video' | 'audio' | 'camera' | 'microphone' | 'screen' | 'screen-audio'

export type OwnTrack = 'camera' | 'microphone' | 'screen' | 'screen-audio'

export type ConnectionName = 'publish' | 'subscribe'

export type MediaKind = 'video' | 'audio'

export type Role = 'chair' | 'speaker' | 'attendee' | 'observer'

export type Speech = 'open' | 'floor'

export type RollCallMark = 'present' | 'absent' | 'leave' | 'substitute'

export type ChairActionName = 'apply' | 'withdraw' | 'grant' | 'transfer' | 'release' | 'deprive' | 'floor_request' |
  'floor_withdraw' | 'floor_grant' | 'floor_release' | 'floor_revoke' | 'mute' | 'unmute' | 'mute_all' | 'unmute_all'
  | 'set_speech' | 'spotlight' | 'roll_call_start' | 'roll_call_call' | 'roll_call_next' | 'roll_call_answer' |
  'roll_call_end' | 'admit' | 'reject' | 'set_lobby' | 'lock' | 'unlock' | 'remove' | 'set_role' | 'set_head_count' |
  'rename' | 'record_start' | 'record_stop' | 'share_stop' | 'end'

export type ErrorCode = 'unknown_type' | 'bad_message' | 'too_long' | 'too_fast' | 'hello_first' |
  'unsupported_protocol' | 'token_invalid' | 'token_expired' | 'token_used' | 'resume_unknown' | 'too_many_sessions' |
  'too_many_subscriptions' | 'too_many_tracks' | 'not_permitted' | 'not_chair' | 'not_your_turn' | 'not_in_room' |
  'in_lobby' | 'room_not_found' | 'room_locked' | 'room_full' | 'room_ended' | 'seat_taken' | 'source_not_found' |
  'source_offline' | 'no_slot' | 'codec_unsupported' | 'bad_sdp' | 'ice_restart_unsupported' | 'not_connected' |
  'already_sharing' | 'target_not_found' | 'wrong_state' | 'worker_unavailable' | 'internal'

export type ClosingCode = 'left' | 'room_ended' | 'replaced' | 'unauthenticated' | 'removed' | 'rejected' | 'revoked'
  | 'too_slow' | 'too_fast' | 'refused' | 'worker_restart' | 'internal'

export interface Candidate {
  type: 'candidate'
  id: number
  connection: ConnectionName
  candidate: string | null
}

export interface Chair {
  type: 'chair'
  id: number
  action: ChairActionName
  target?: string
  track?: TrackName
  source?: string
  is_locked?: boolean
  has_lobby?: boolean
  speech?: Speech
  participant_ids?: string[]
  state?: RollCallMark
  note?: string
  role?: 'speaker' | 'attendee' | 'observer'
  head_count?: number
  name?: string
  venue?: string
}

export interface Chat {
  type: 'chat'
  id: number
  text: string
  to?: string
}

export interface ChatLine {
  name: string
  text: string
  at: string
  to?: string
  seq?: number
  from: string
  type: 'chat'
}

export interface Closing {
  code: ClosingCode
  message: string
  can_resume: boolean
  type: 'closing'
}

export interface ConnectionLost {
  connection: ConnectionName
  reason: string
  type: 'connection_lost'
}

export interface Content {
  source: string
}

export interface Hello {
  type: 'hello'
  id: number
  protocol: number
  token?: string
  resume?: string
  client?: string
}

export interface IceServer {
  urls: string
  username?: string
  credential?: string
}

export interface LayerChosen {
  mid: string
  rid: string | null
  width: number
  height: number
  type: 'layer'
}

export interface LayerState {
  rid: string
  width: number
  height: number
}

export interface LayersWanted {
  track: TrackName
  rids: string[]
  type: 'layers_wanted'
}

export interface Leave {
  type: 'leave'
  id: number
}

export interface Limits {
  video_slots: number
  audio_slots: number
  tracks: number
  messages_per_s: number
}

export interface LinkQuality {
  connection: ConnectionName
  level: number
  rtt_ms: number
  loss: number
  type: 'quality'
}

export interface Mute {
  type: 'mute'
  id: number
  track: OwnTrack
  muted: boolean
}

export interface Muted {
  track: TrackName
  by: 'chair'
  is_muted: boolean
  type: 'muted'
}

export interface Notice {
  code: string
  message: string
  type: 'notice'
}

export interface Ok {
  id: number
  mid?: string
  type: 'ok'
}

export interface Participant {
  id: string
  source: string
  kind: 'person' | 'venue' | 'camera' | 'whip'
  name: string
  venue: string
  head_count: number
  role: Role
  is_online: boolean
  is_in_lobby: boolean
  joined_at: string
  hand_at: string | null
  may_speak: boolean
  may_share: boolean
  tracks: Partial<Record<TrackName, TrackState>>
  user_id?: string
  org_name?: string
  shown_by?: string
}

export interface ParticipantChanged {
  participant: Participant
  type: 'participant'
}

export interface ParticipantLeft {
  participant_id: string
  reason: 'left' | 'expired' | 'removed' | 'rejected' | 'replaced' | 'ended'
  type: 'participant_left'
}

export interface ParticipantsChanged {
  participants: Participant[]
  type: 'participants'
}

export interface Ping {
  type: 'ping'
  id: number
  t: number
}

export interface Pong {
  id: number
  t: number
  server_time: string
  type: 'pong'
}

export interface Publish {
  type: 'publish'
  id: number
  sdp: string
  tracks: Record<string, OwnTrack>
  fresh?: boolean
}

export interface Published {
  id: number
  sdp: string
  type: 'published'
}

export interface Quality {
  type: 'quality'
  id: number
  source: string
  track: TrackName
  width: number
  height: number
  paused?: boolean
}

export interface QueueEntry {
  participant_id: string
  at: string
}

export interface Recording {
  is_on: boolean
  since: string | null
}

export interface Refused {
  id: number | null
  code: ErrorCode
  message: string
  field?: string
  type: 'error'
}

export interface Report {
  type: 'report'
  audio_unlocked?: boolean
  visible?: boolean
  cpu_limited?: boolean
  freeze_ms?: number
  fps?: number
  jitter_ms?: number
  lost?: number
  rtt_ms?: number
}

export interface RollCall {
  state: 'idle' | 'running' | 'done'
  current: string | null
  entries: RollCallEntry[]
}

export interface RollCallChanged {
  entry: RollCallEntry
  type: 'roll_call'
}

export interface RollCallEntry {
  participant_id: string
  name: string
  state: 'waiting' | 'called' | 'present' | 'absent' | 'leave' | 'substitute'
  called_at: string | null
  answered_at: string | null
  note: string
  late_at?: string
}

export interface Room {
  id: string
  name: string
  kind: string
  version: number
  phase: 'open' | 'ended'
  speech: Speech
  is_locked: boolean
  has_lobby: boolean
  chair: string | null
  chair_requests: string[]
  floor: string[]
  floor_queue: QueueEntry[]
  is_all_muted: boolean
  spotlight: Spotlight | null
  content: Content | null
  roll_call: RollCall
  recording: Recording
  starts_at: string | null
  head_count_total: number
  is_all_locked?: boolean
}

export interface RoomChanged {
  room: Room
  type: 'room'
}

export interface Slot {
  mid: string
  kind: MediaKind
  source: string | null
  track: TrackName | null
  type: 'slot'
}

export interface Slots {
  type: 'slots'
  id: number
  sdp: string
  fresh?: boolean
}

export interface SlotsAnswer {
  id: number
  sdp: string
  type: 'slots'
}

export interface Source {
  source: string
  state: 'live' | 'offline' | 'gone'
  tracks: SourceTrackState[]
  reason?: string
  type: 'source'
}

export interface SourceTrackState {
  name: TrackName
  kind: MediaKind
  codec: string | null
  is_live: boolean
  layers: LayerState[]
}

export interface Speakers {
  active: string | null
  levels: Record<string, number>
  type: 'speakers'
}

export interface Spotlight {
  source: string
  track?: TrackName
}

export interface Subscribe {
  type: 'subscribe'
  id: number
  source: string
  track: TrackName
  width?: number
  height?: number
}

export interface TrackState {
  is_on: boolean
  muted_by: 'self' | 'chair' | null
}

export interface UnmuteAsked {
  by: string
  type: 'unmute_asked'
}

export interface Unpublish {
  type: 'unpublish'
  id: number
  track: OwnTrack
}

export interface Unsubscribe {
  type: 'unsubscribe'
  id: number
  source: string
  track: TrackName
}

export interface Unsubscribed {
  source: string
  track: TrackName
  code: 'revoked' | 'not_permitted' | 'source_gone' | 'codec_unsupported'
  type: 'unsubscribed'
}

export interface Welcome {
  session_id: string
  resumed: boolean
  ice_servers: IceServer[]
  limits: Limits
  server_time: string
  sources: Source[]
  slots: Slot[]
  participant?: Participant
  room?: Room
  participants?: Participant[]
  id: number
  resume_token: string
  type: 'welcome'
}

export type PageMessage = Hello | Publish | Unpublish | Slots | Candidate | Subscribe | Unsubscribe | Quality | Mute |
  Chair | Chat | Report | Ping | Leave

export type Answer = Welcome | Published | SlotsAnswer | Ok | Pong | Refused

export type ServerEvent = Slot | LayerChosen | Source | Unsubscribed | ParticipantChanged | ParticipantsChanged |
  ParticipantLeft | RoomChanged | Speakers | ChatLine | RollCallChanged | LayersWanted | Muted | UnmuteAsked |
  LinkQuality | ConnectionLost | Notice | Closing

export type EventOf<T extends ServerEvent['type']> = Extract<ServerEvent, { type: T }>

export type ChairAction =
  | { action: 'apply' | 'withdraw' | 'release' | 'floor_request' | 'floor_withdraw' | 'floor_release' | 'unmute_all' |
      'roll_call_next' | 'roll_call_end' | 'lock' | 'unlock' | 'record_start' | 'record_stop' | 'end' }
  | { action: 'grant' | 'transfer' | 'deprive' | 'floor_grant' | 'floor_revoke' | 'unmute' | 'roll_call_call' |
      'admit' | 'reject' | 'remove' | 'share_stop'; target: string }
  | { action: 'mute'; target: string; track?: TrackName }
  | { action: 'mute_all'; is_locked?: boolean }
  | { action: 'set_speech'; speech: Speech }
  | { action: 'spotlight'; source?: string | null; track?: TrackName }
  | { action: 'roll_call_start'; participant_ids?: string[] }
  | { action: 'roll_call_answer'; state: RollCallMark; target?: string; note?: string }
  | { action: 'set_lobby'; has_lobby: boolean }
  | { action: 'set_role'; target: string; role: 'speaker' | 'attendee' | 'observer' }
  | { action: 'set_head_count'; head_count: number }
  | { action: 'rename'; name?: string; venue?: string }

export const CLOSINGS: Record<ClosingCode, { close: number; canResume: boolean }> = {
  left: { close: 1000, canResume: false },
  room_ended: { close: 1000, canResume: false },
  replaced: { close: 4000, canResume: false },
  unauthenticated: { close: 4001, canResume: false },
  refused: { close: 4001, canResume: false },
  removed: { close: 4003, canResume: false },
  rejected: { close: 4003, canResume: false },
  revoked: { close: 4003, canResume: false },
  too_slow: { close: 4008, canResume: true },
  too_fast: { close: 4008, canResume: true },
  worker_restart: { close: 1012, canResume: true },
  internal: { close: 1011, canResume: true },
}
