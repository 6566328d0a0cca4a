import meetingEn from './meeting.en'
import type { Messages } from './zh'

const en: Messages = {
  ...meetingEn,
  brand: { name: 'Xiangyun', title: 'Xiangyun · county video network', line: 'One cloud joins every village', sub: 'County video network' },
  nav: {
    live: 'Live', replay: 'Playback', cameras: 'Cameras', import: 'Import', storage: 'Storage', audit: 'Audit',
    people: 'Users & orgs', rooms: 'Meetings', endpoints: 'Endpoints', more: 'More', main: 'Main navigation',
  },
  common: {
    ok: 'OK', cancel: 'Cancel', save: 'Save', close: 'Close', delete: 'Delete', edit: 'Edit', add: 'Add', search: 'Search',
    refresh: 'Refresh', all: 'All', yes: 'Yes', no: 'No', none: 'None', back: 'Back', loading: 'Loading…', retry: 'Try again',
    optional: 'optional', actions: 'Actions', name: 'Name', required: 'Please fill this in', saved: 'Saved', deleted: 'Deleted',
    days: '{n} days', seconds: '{n} s', more: 'Load more', enabled: 'Enabled', disabled: 'Disabled', copy: 'Copy', unknown: 'Unknown',
  },
  shell: {
    linkUp: 'Live updates', linkDown: 'Reconnecting…', beijing: 'Beijing time', type: 'Type size', typeNormal: 'Standard', typeLarge: 'Large',
    typeHuge: 'Very large', contrast: 'High contrast', language: '中文', logout: 'Log out', view: 'Display', skip: 'Skip to content',
    revoked: 'Your permissions changed; some pictures were stopped.', alarm: 'Recording alarm', alarms: 'Alarms', noAlarms: 'No alarms',
    idleTitle: 'Are you still there?', idleText: 'To protect the footage you will be logged out in {n} s.', idleStay: 'Stay logged in',
  },
  alarmKind: {
    disk_full: 'Disk nearly full; recording may stop', disk_error: 'Disk error', recording_stopped: 'Recording has stopped',
    retention_deleted: 'Expired footage was deleted as required', recording_resumed: 'Recording has resumed', index_rebuilt: 'The index was rebuilt', alarm: 'Recording alarm',
  },
  login: {
    title: 'Log in', username: 'User name', password: 'Password', otp: 'One-time code', submit: 'Log in', ended: 'Your session has ended. Please log in again.',
    help: 'Forgot the password? Ask your system administrator to reset it.', show: 'Show password', hide: 'Hide password',
  },
  setup: {
    title: 'First-run set-up', intro: 'Welcome. Name your county and create the first administrator; then connect cameras.', county: 'County name',
    countyHint: 'e.g. Hean County', username: 'Administrator user name', displayName: 'Full name', password: 'Password', repeat: 'Password again',
    mismatch: 'The two passwords differ', submit: 'Finish set-up', noDefault: 'There is no default password. Keep yours safe.', usernameRule: '3 or more letters, digits, dots or dashes',
  },
  password: {
    level0: 'Not usable', level1: 'Weak', level2: 'Acceptable', level3: 'Strong', short: 'At least 8 characters', kinds: 'Mix upper and lower case, digits and signs',
    name: 'Must not contain the user name', longer: '12 or more is safer',
  },
  problem: {
    network: 'Cannot reach the server. Check the network; the console keeps trying.', unknown: 'That did not work (code {status}).', trace: 'Trace id {id}',
    code: {
      replay_codec: 'This H.265 recording cannot be played by this browser. Use one that plays H.265 (a recent Edge or Chrome), or have it downloaded by somebody who may.',
      replay_broken: 'Playback failed; open it again.', grant_invalid: 'The grant has expired; open it again.',
      network_not_allowed: 'This address is outside the allowed networks. Ask the administrator to add it to SOURCE_NETWORKS.',
      unreachable: 'The device cannot be reached. Check address, cable and power.', refused: 'The device refused the connection. Check the port.',
      unauthorized: 'The camera refused the user name or password.', not_found: 'The device has no such stream path.',
      not_a_camera: 'This address is not a video stream.', timeout: 'The device did not answer in time.', unsupported: 'The device uses a codec that is not supported.',
      bad_url: 'The address must start with rtsp://.',
    },
  },
  state: { online: 'Online', connecting: 'Connecting', offline: 'Offline', disabled: 'Disabled', unknown: 'Unknown' },
  reason: {
    disabled: 'disabled', unreachable: 'network unreachable', refused: 'connection refused', unauthorized: 'wrong camera password', not_found: 'no such stream',
    disconnected: 'connection lost', silent: 'connected, but no video arrives', protocol_error: 'protocol error', unsupported: 'codec not supported',
    timestamp_jump: 'camera clock jumped', muted: 'muted', left: 'left the meeting', tracks_changed: 'picture switched on or off', shutdown: 'system shut down', crash: 'restart after a crash', disk_full: 'disk full', disk_error: 'disk failure',
    overload: 'system overloaded', planned: 'outside the schedule', timeout: 'no answer', network_not_allowed: 'network not allowed', bad_url: 'bad address',
    viewer: 'viewer left', deleted: 'viewer left', closed: 'viewer left', ended: 'viewer left', idle: 'not used', revoked: 'right withdrawn', codec_changed: 'codec changed', camera_removed: 'camera deleted', ice_failed: 'no network path', dtls_failed: 'encryption failed', connect_timeout: 'no network path',
    consent_lost: 'viewer lost', dtls_closed: 'viewer left', failed: 'failed',
    not_a_camera: 'not a video stream', no_recording: 'not recorded', not_recorded: 'not recorded', starting: 'starting up', key_frame: 'waiting for a key frame', retention: 'expired and deleted', expired: 'expired and deleted', off: 'recording off', missing: 'not recorded', unknown: 'unknown cause',
    worker_restarting: 'the media service is restarting', volume_unavailable: 'no recording disk is mounted', wrong_volume: 'another disk is mounted', volume_damaged: 'the disk has lost its identity', volume_busy: 'another program uses the disk',
    index_damaged: 'the index is being rebuilt', index_outdated: 'the index is being rebuilt', index_version: 'the index was written by a newer version', no_event_source: 'no event source yet, so not recorded',
    other: '{code}',
  },
  recording: {
    recording: 'Recording', waiting: 'Waiting for video', off: 'Not recording', stopped: 'Recording stopped', unknown: 'Unknown',
    modeContinuous: 'Continuous', modeSchedule: 'By schedule', modeEvent: 'On events', modeOff: 'Off',
  },
  tree: {
    title: 'Cameras', search: 'Search name, id, place', empty: 'No cameras yet', emptyHint: 'Add one under Cameras, or import a table.',
    noMatch: 'Nothing matches “{text}”', onlineTotal: 'online/total', goCameras: 'Add a camera', show: 'Show camera list', hide: 'Hide list',
  },
  live: {
    grid: '{n} tiles', fullScreen: 'Full screen', exitFull: 'Leave full screen', clearAll: 'Clear all', snapshot: 'Snapshot', sound: 'Sound on',
    soundOff: 'Sound off', close: 'Close picture', toMain: 'Enlarge (main stream)', toGrid: 'Back to grid', main: 'Main', sub: 'Sub', empty: 'Empty',
    emptyHint: 'Click or drag a camera from the list', emptyHintPhone: 'Choose a camera from the list below', toReplay: 'Playback', delay: 'delay {s} s', stats: '{fps} fps · {rate}',
    loss: 'loss {n}%', figures: 'Figures', audioLater: 'AAC sound comes later', audioNone: 'No sound', tools: 'Picture tools',
  },
  tile: {
    connecting: 'Opening the picture…', source: 'Camera is connecting', offline: 'Offline', disabled: 'Camera is disabled', denied: 'Not allowed to watch',
    gone: 'Camera was deleted', tooMany: 'Too many viewers', network: 'Video service unreachable', noMedia: 'No picture received', frozen: 'Picture stands still',
    codec: 'Browser cannot play this codec', noSub: 'No sub stream', h265: 'Browser cannot play H.265 and there is no sub stream', failed: 'The picture cannot be opened', replaced: 'Goes on in another window', since: 'for {time}',
    retryIn: 'next try in {n} s', retrying: 'Trying again…',
    hint: {
      connecting: '', source: 'Asking the camera for its stream', offline: 'The picture returns by itself', disabled: 'Enable it under Cameras',
      denied: 'Ask the administrator', gone: '', tooMany: 'Try again shortly', network: 'Check the network; retrying by itself', noMedia: 'A firewall may block the video port (UDP)',
      frozen: 'Waiting for a new picture', codec: 'Use the sub stream', noSub: 'Use the main stream', h265: 'Configure an H.264 sub stream', failed: '', replaced: 'Reload this page to come back here',
    },
    note: { no_sub_stream: 'No sub stream, showing main', h265_uses_sub: 'H.265 not playable here → sub stream', weak_line: 'Weak network → sub stream for now' },
  },
  cameras: {
    add: 'Add camera', edit: 'Edit camera', title: 'Cameras', org: 'Organisation', url: 'Main stream address', subUrl: 'Sub stream address',
    urlHint: "rtsp://user:password{'@'}address:554/path", urlKeep: 'Leave empty to keep (passwords are never shown)', subHint: 'Used in grids; low-resolution H.264 advised', location: 'Place', gbCode: 'GB id', gbHint: '20 digits',
    gbRule: 'A GB id has 20 digits', enabled: 'Enabled', mode: 'Recording', days: 'Keep for', daysHint: 'Public security footage: 30 days or more, key sites 90. Deleted automatically afterwards.',
    probe: 'Test connection', probing: 'Connecting to the camera…', probeOk: 'Connected', probeBad: 'Connection failed', probeEmpty: 'Enter the main stream address and test it to see a picture first.',
    noPreview: 'Connected, but no preview picture', video: 'Video', audio: 'Sound', deleteTitle: 'Delete camera', deleteText: 'Delete “{name}”? Streaming and recording stop; existing footage expires as configured. This is audited.',
    typeName: 'Type the camera name to confirm', status: 'State', stream: 'Stream', record: 'Recording', lastPacket: 'data {s} ago', clock: 'Clock offset', filterState: 'By state', created: 'Camera added', id: 'Id',
    urlRule: 'The address must start with rtsp:// or rtsps://', empty: 'No cameras yet', emptyHint: 'Add the first one, or import a table.', view: 'Live', replay: 'Playback',
  },
  import: {
    intro: 'Connect many cameras with one table. CSV and XLSX; the first row names the columns.', template: 'Download template', choose: 'Choose file', drop: 'Drop the table here, or click to choose',
    limits: 'Up to 5 MB and 5000 rows', uploading: 'Importing…', created: '{n} rows created', rejected: '{n} rows not imported', row: 'Row', result: 'Result', message: 'Message',
    ok: 'Created', bad: 'Not imported', again: 'Import another file', columns: 'Columns', tooBig: 'The file is larger than 5 MB', type: 'Choose a CSV or XLSX file',
    onlyBad: 'Only rows not imported',
    col: { name: 'Name (required)', org: 'Organisation id (required)', url: 'Main stream address (required)', sub: 'Sub stream address', gb: 'GB id, 20 digits', loc: 'Place', days: 'Days to keep, default 30' },
  },
  replay: {
    pick: 'Choose a camera', pickHint: 'Choose a camera on the left, then a day that has footage.', date: 'Date', hasFootage: 'has footage', today: 'Today', prevMonth: 'Previous month',
    nextMonth: 'Next month', prevDay: 'Previous day', nextDay: 'Next day', timeline: 'Timeline of the day', recorded: 'Recorded', gap: 'Not recorded', future: 'Not yet', zoomIn: 'Zoom in', zoomOut: 'Zoom out', wholeDay: 'Whole day',
    play: 'Play', pause: 'Pause', frameBack: 'Previous frame', frameForward: 'Next frame', speed: 'Speed', keyOnly: 'key frames only', back10: 'Back 10 s', forward10: 'Forward 10 s',
    skipped: 'Nothing recorded here; moved on to {time}', noneAfter: 'Nothing is recorded after this', noDay: 'Nothing was recorded on this day', preparing: 'Opening the recording…', ended: 'End of the recording',
    startHint: 'Click a blue part of the timeline to play', completeness: 'Completeness {n}%', in: 'Mark start', out: 'Mark end', range: '{from} to {to}', clearRange: 'Clear', download: 'Download',
    tooLong: 'At most 2 hours per download', preparingFile: 'Preparing the file…', snapshot: 'Snapshot', live: 'Live', unit: 'Access', position: 'Current time', jump: 'Go to time',
    register: 'Registered: {reason}', changeReason: 'Change reason', broken: 'Playback failed', retry: 'Open again', spansApart: 'The codec changes in this range; download it in parts.',
  },
  reasonDialog: {
    title: 'Access register', intro: 'The law requires reason, unit and name before footage is viewed. The entry is audited and remembered for 15 minutes.', reason: 'Reason', caseNo: 'Case number', unit: 'Unit', name: 'Viewer',
    submit: 'Register and play', placeholder: 'Why do you need to look?', pick: { case: 'Police case', lost: 'Missing person or thing', traffic: 'Traffic accident', fire: 'Fire or disaster', dispute: 'Dispute', inspect: 'Routine check' },
  },
  storage: {
    free: 'free', used: 'used', total: 'of', floor: 'safety margin', volume: 'Volume', meetings: 'Meetings', tracks: '{n} tracks', camera: 'Camera', required: 'Required', kept: 'Kept', left: 'Forecast', size: 'Size', oldest: 'Oldest footage',
    firstFile: 'first file being written', verdict: 'Verdict', ok: 'As required', young: 'Still filling', youngHint: 'Connected recently; not enough days yet', short: 'Too few days', shortHint: '{need} days required, {have} kept', filling: 'Space runs out', fillingHint: 'Full in about {n} days', over: 'Over-kept',
    overHint: 'Kept longer than allowed; will be deleted', none: 'No footage', allOk: 'All cameras keep what is required', someBad: '{n} cameras need attention', rate: 'Storage compliance', dayShort: '{n} d', forever: 'ample', empty: 'No footage yet', full: 'Below the safety margin; the oldest footage is being removed as allowed', away: 'Volume is not mounted',
  },
  people: {
    users: 'Users', orgs: 'Organisations', addUser: 'Add user', editUser: 'Edit user', addOrg: 'Add below', editOrg: 'Edit organisation', username: 'User name', displayName: 'Full name', org: 'Organisation', roles: 'Roles', state: 'State',
    password: 'Password', newPassword: 'New password', keepPassword: 'Leave empty to keep', deleteUser: 'Delete user “{name}”? Their session and pictures end at once.', deleteOrg: 'Delete organisation “{name}”?', level: 'Level', code: 'Division code',
    lastLogin: 'Last log-in', scope: 'Sees the organisation and everything below it', empty: 'No users yet', disableHint: 'Disabling ends all their pictures within 5 s',
  },
  level: { county: 'County', township: 'Township', village: 'Village' },
  role: {
    admin: 'Administrator', 'system-admin': 'System administrator', 'security-admin': 'Security administrator', auditor: 'Audit administrator', operator: 'Township duty officer', viewer: 'Village watch', retriever: 'Recording retriever', approver: 'Approver', maintainer: 'Maintenance engineer',
  },
  audit: {
    kind: { auth: 'Log-in', view: 'Live', replay: 'Playback', camera: 'Cameras', user: 'Users', org: 'Organisations', grant: 'Grants', audit: 'Audit' },
    verb: {
      auth_login: 'Log-in', auth_logout: 'Log-out', auth_refresh_reuse: 'Token used twice', view_start: 'Live started', view_end: 'Live ended', view_snapshot: 'Snapshot',
      replay_grant: 'Access registered', replay_grant_end: 'Access ended', replay_open: 'Playback opened', replay_end: 'Playback closed', replay_download: 'Download', camera_create: 'Camera added', camera_update: 'Camera changed',
      camera_delete: 'Camera deleted', camera_probe: 'Connection test', camera_import: 'Import', user_create: 'User added', user_update: 'User changed', user_delete: 'User deleted', user_password: 'Password changed',
      org_create: 'Organisation added', org_update: 'Organisation changed', org_delete: 'Organisation deleted', grant_create: 'Right granted', grant_delete: 'Right withdrawn', setup_done: 'First-run set-up', audit_read: 'Audit read', audit_verify: 'Audit chain checked',
    },
    right: { live_view: 'live', live_ptz: 'PTZ', replay_view: 'playback', replay_download: 'download', camera_read: 'see cameras', camera_manage: 'manage cameras' },
    detail: {
      name: 'name', source: 'address', source_url: 'main stream', sub_source_url: 'sub stream', created: 'added', rejected: 'rejected', failures: 'failures in a row', is_locked: 'locked', roles: 'roles', username: 'user name',
      level: 'level', quality: 'stream', stream: 'stream', reason: 'reason', watched_s: 'lasted', seconds: 'lasted', case_no: 'case no.', unit: 'unit', verbs: 'rights', start: 'from', end: 'to', changes: 'changed', owner: 'viewer',
      camera: 'camera', enabled: 'enabled', org_id: 'organisation', display_name: 'full name', recording: 'recording', mode: 'mode', retention_days: 'days kept', password: 'password', bytes: 'bytes', locale: 'language',
    },
    at: 'Time', who: 'User', action: 'Action', target: 'Target', result: 'Result', address: 'Address', trace: 'Trace id', filterUser: 'User name', filterAction: 'Action', from: 'From', to: 'To',
    apply: 'Search', reset: 'Reset', ok: 'ok', denied: 'denied', failed: 'failed', empty: 'No matching records', newer: 'Previous', older: 'Next', page: 'Page {n}', details: 'Details', note: 'Audit records can only be appended; nobody can change or delete them.',
  },
  denied: { title: 'Not allowed', text: 'Your account cannot open this page. Ask the system administrator if you need it.' },
}

export default en
