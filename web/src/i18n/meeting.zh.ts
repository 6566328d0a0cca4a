/** Words of rooms, meetings and calls. */
const meetingZh = {
  rooms: {
    title: '会议', create: '新建会议', edit: '修改会议', quick: '立即开会', today: '今天', upcoming: '以后', running: '正在进行', ended: '已结束', all: '全部', always: '固定会议室',
    state: { running: '正在进行', scheduled: '未开始', open: '可以入会', ended: '已结束' }, kind: { meeting: '会议', call: '可视电话', consultation: '远程会诊', broadcast: '广播会议' },
    name: '会议名称', namePlaceholder: '例如：全县防汛工作推进会', kindLabel: '类型', org: '组织单位', starts: '开始时间', now: '现在就开', later: '预约时间', date: '日期', time: '时间', duration: '时长', minutes: '{n} 分钟',
    members: '参会单位和人员', membersHint: '不选：本单位及下级都可以参加', chooseMembers: '选择参会范围', chosen: '已选 {n} 个', venues: '会场（单位）', people: '人员', lobby: '等候室', lobbyHint: '开启后由主席逐个准入', passcode: '入会密码', passcodeHint: '留空自动生成 6 位数字', record: '录像', recordHint: '开会即开始录像，全体可见提示', noRecord: '不自动录像',
    speech: '发言方式', speechOpen: '自由发言', speechFloor: '申请发言', speechHint: '申请发言：主席同意后才能讲话', save: '保存', createAndInvite: '创建并邀请', conflict: '时间冲突提醒', conflictLine: '{name} 同时还有会议：{room}（{time}）', conflictOther: '其他会议', empty: '没有会议', emptyHint: '点“新建会议”预约，或“立即开会”。', filterOrg: '按单位', inRoom: '会中 {n} 方', people2: '{n} 人',
    join: '入会', invite: '邀请', record2: '会议记录', end: '结束会议', endText: '结束“{name}”？所有会场会立即断开。', created: '会议已创建', ended2: '会议已结束', startsAt: '{time} 开始', startedAt: '{time} 开始', endedAt: '{time} 结束', lockedNote: '已锁定', lobbyNote: '有等候室', recordNote: '录像', chair: '主席', roleOf: '身份',
  },
  invite: {
    title: '邀请参会', text: '把链接发给对方，或让对方用手机扫码。没有账号也能入会。', link: '入会链接', passcode: '入会密码', copy: '复制链接和密码', copied: '已复制', qr: '扫码入会', print: '打印', share: '{room}\n时间：{time}\n入会链接：{link}\n入会密码：{passcode}', anytime: '随时', none: '这个会议没有邀请链接', renew: '重新生成', renewText: '重新生成后，原来的链接和密码立即失效。', failed: '没有取到邀请信息',
  },
  join: {
    title: '入会', big: '入会', joining: '正在入会…', name: '您的姓名', namePlaceholder: '例如：王秀英', venue: '会场名称', venuePlaceholder: '例如：城北村会议室', asVenue: '会场设备（多人在一起）', asPerson: '我一个人', who: '参会方式', headCount: '会场人数', headCountHint: '现场有几个人就填几个，不要估', passcode: '入会密码', passcodeHint: '主持人发给您的 6 位数字',
    camera: '摄像头', microphone: '麦克风', speaker: '声音', cameraOn: '摄像头已打开', cameraOff: '摄像头已关闭', micOn: '麦克风已打开', micOff: '麦克风已关闭', on: '打开', off: '关闭', level: '对着手机说句话，绿条会动', hearing: '听到您的声音了', silent: '还没听到声音', quiet: '声音偏小，请靠近一点', soundTest: '试听声音', soundTestAgain: '再放一遍', soundHint: '点一下，能听到“叮咚”就对了', soundPlaying: '正在播放…', soundHeard: '听到了', soundNotHeard: '没听到', soundHelp: '请检查音量键，取消静音；插了耳机请看耳机。',
    skipDevices: '不用摄像头和麦克风，只看只听', saving: '省流量', savingHint: '用手机流量时请打开', check: '设备检查', own: '我的画面', muteFirst: '入会时麦克风先关着', waiting: '请稍候，主持人正在准入', waitingTitle: '您在等候室', waitingHint: '主持人同意后会自动进入，不用操作。', leave: '离开',
    guestTitle: '{room}', notFound: '会议链接不对或已失效', notFoundHint: '请向主持人重新要一个链接。', ended: '会议已经结束', startsAt: '开始时间 {time}', loginInstead: '有账号？登录后入会', mirror: '画面是镜像的，别人看到的是正的', deviceDefault: '默认设备', frontCamera: '前置', backCamera: '后置',
    fault: {
      denied: '没有打开{device}的权限', deniedHelp: '请点地址栏左边的小锁（手机在“…”菜单里），把{device}改成“允许”，再点“再试一次”。', none: '没有找到{device}', noneHelp: '请插好设备。没有{device}也可以入会。', busy: '{device}被别的程序占用', busyHelp: '请关掉其他视频软件（微信、腾讯会议等），再点“再试一次”。', insecure: '这个地址不能用{device}', insecureHelp: '请用 https:// 开头的地址打开本页。可以请管理员发送正确的链接；现在也能只看只听。', unsupported: '这个浏览器不能视频通话', unsupportedHelp: '请换用新版的 Chrome、Edge、Safari 或系统自带浏览器。', failed: '{device}打不开', failedHelp: '请拔插设备或重启浏览器，再点“再试一次”。',
    },
    tryAgain: '再试一次', withoutIt: '不用{device}，继续',
  },
  meeting: {
    mic: '麦克风', micMute: '关麦克风', micUnmute: '开麦克风', micMuted: '已静音', micOn: '麦克风开着', cam: '摄像头', camStop: '关摄像头', camStart: '开摄像头', hand: '申请发言', handDown: '取消申请', handUp: '已申请', handUpNth: '已申请，前面 {n} 个', floorHave: '正在发言', floorRelease: '结束发言', share: '双流', shareScreen: '共享屏幕', shareStop: '停止共享', sharing: '您正在共享屏幕', leave: '离开', leaveTitle: '离开会议？', leaveText: '其他人继续开会，您可以再进来。', leaveOnly: '我离开', endForAll: '结束会议（全体）', more: '更多', chat: '聊天', people: '参会人', chairDesk: '会控', devices: '设备', layout: '画面', speakerLayout: '主讲画面', gridLayout: '多画面', contentLayout: '双流画面', audioOnly: '只听声音', audioOnlyHint: '不看画面，省流量', audioOnlyOn: '只听声音（省流量）', unlockSound: '点这里打开声音', unlockHint: '浏览器要求点一下才能放声音',
    quality: { label: '网络', l0: '断开', l1: '很差', l2: '较差', l3: '一般', l4: '良好', unknown: '检测中' }, rtt: '往返 {n} 毫秒', reconnecting: '网络断了，正在重连…', reconnectingHint: '请不要关闭页面，座位还在。', reconnected: '已恢复连接', back: '已回到会议', recording: '正在录像', recordingSince: '正在录像 {time}', recordingNotice: '本会议正在录像', recordingStopped: '录像已停止', locked: '会议已锁定', elapsed: '已开 {time}', persons: '共 {n} 人', parties: '{n} 方', me: '我', chairTag: '主席', speakerTag: '发言人', observerTag: '旁听', offline: '已掉线，等待重连', cameraOffline: '摄像机离线', noCamera: '未开摄像头', noPicture: '画面正在来…', refused: '画面打不开', pausedPicture: '网络差，暂停画面', screenOf: '{name} 的共享屏幕', spotlighted: '广播会场', rollCalled: '正在点名', mutedByChair: '主席已将您静音', mutedByChairHint: '需要讲话请点“申请发言”', unmutedByChair: '主席已解除静音', unmuteAsked: '主席请您打开麦克风', unmuteYes: '打开麦克风', unmuteNo: '先不开', notYourTurn: '现在不能讲话，请先申请发言', floorGranted: '轮到您发言了', prev: '上一页', next: '下一页', pageOf: '第 {n}/{all} 页', pin: '固定大画面', unpin: '取消固定', fullScreen: '全屏', exitFull: '退出全屏', headCount: '{n} 人', noOne: '会议里还没有其他人', noOneHint: '等其他人入会，或点“邀请”。', talking: '正在讲话：{name}',
    chatPlaceholder: '输入文字，按回车发送', chatSend: '发送', chatEmpty: '还没有消息', chatTo: '对 {name}（私聊）', chatAll: '全体', chatNew: '新消息', deviceLost: '{device}被拔掉了', deviceNow: '正在使用', rename: '修改显示', nameSaved: '已修改',
    ended: { title: '会议结束了', room_ended: '会议已经结束。', removed: '主席已将您移出会议。', rejected: '主席没有准入。', revoked: '您的权限已收回。', replaced: '您在另一个窗口入会了，本窗口已退出。', left: '您已离开会议。', room_locked: '会议已锁定，现在不能进入。', room_full: '会议人数已满。', room_not_found: '没有这个会议。', seat_taken: '这个座位正在另一台设备上使用。', too_many_sessions: '打开的窗口太多，请先关掉几个。', refused: '没有进入会议。', not_permitted: '没有参加这个会议的权限。', unknown: '会议连接结束（{code}）。' }, rejoin: '再次入会', toRooms: '回会议列表', toRecord: '看会议记录', closePage: '可以关闭本页了。',
  },
  chair: {
    apply: '申请当主席', applied: '已申请当主席', withdraw: '取消申请', release: '释放主席', releaseText: '释放后由其他人申请主席。', transfer: '转让主席', deprive: '收回主席', take: '我来当主席', noChair: '现在没有主席', requests: '申请当主席', hands: '申请发言', waiting: '等候室', admit: '准入', admitAll: '全部准入', reject: '拒绝', grant: '同意', decline: '不同意', revoke: '结束发言', muteAll: '全体静音', muteAllLocked: '全体静音（不许自行打开）', unmuteAll: '解除全体静音', mute: '静音', muteCamera: '关画面', unmute: '请他开麦', remove: '移出会议', removeText: '把“{name}”移出会议？', spotlight: '广播会场', spotlightOff: '取消广播', stopShare: '停止其共享', setSpeaker: '设为发言人', setAttendee: '设为参会人', setObserver: '设为旁听', lock: '锁定会议', unlock: '解除锁定', lobbyOn: '开等候室', lobbyOff: '关等候室', speechOpen: '自由发言', speechFloor: '申请发言', speech: '发言方式', record: '开始录像', recordStop: '停止录像', recordText: '开始录像？全体会看到“正在录像”提示。', end: '结束会议', endText: '结束会议？所有会场会立即断开。', addCamera: '调入摄像机', addCameraHint: '从点位树选一台摄像机，作为一路画面加入会议。', removeCamera: '移走摄像机', inMeeting: '已在会中', rollCall: '点名', nobodyWaits: '没有人等候', all: '全体', tools: '会控操作', online: '在线', offline: '掉线', micOn: '开麦', micOff: '静音', camOn: '有画面', camOff: '无画面', inLobby: '等候', empty: '还没有人', floor: '正在发言', search: '找会场或人', muteNow: '现在静音', actionsOf: '{name} 的操作', headCount: '现场 {n} 人', privateChat: '私聊',
  },
  rollCall: {
    title: '点名', start: '开始点名', startAll: '全部会场', startHint: '逐个点到会场：被点到的能讲话，其他人静音。', calling: '正在点名', now: '现在点到', answer: '听到请回答', yourTurn: '现在点到您，请回答', here: '到', present: '到', absent: '缺席', leave: '请假', substitute: '代会', waiting: '未点', called: '正在点', next: '下一个', again: '再点一次', end: '结束点名', done: '点名结束', due: '应到', came: '实到', onLeave: '请假', missing: '缺席', subst: '代会', left: '未点', note: '备注', notePlaceholder: '例如：请假原因、代会人姓名', ledger: '点名册', entries: '{n} 个', choose: '选择要点的会场', begin: '开始', nobody: '没有可点的会场', answeredAt: '{time} 应答', minimize: '收起', open: '打开点名',
  },
  call: {
    incoming: '来电', from: '{name} 来电', video: '可视电话', audio: '语音电话', accept: '接听', acceptAudio: '语音接听', decline: '拒接', autoAnswer: '{n} 秒后自动接听', calling: '正在呼叫 {name}…', ring: '响铃中', cancel: '取消呼叫', hangUp: '挂断', ended: '通话结束', reason: { declined: '对方没有接听', timeout: '无人接听', cancelled: '对方已取消', busy: '对方正在通话', offline: '对方不在线', ended: '通话结束', left: '对方已挂断', no_answer: '没有接通', unreachable: '对方不在线', accepted: '已在别处接听', answered_elsewhere: '已在别处接听' }, call: '呼叫', callAudio: '语音呼叫', soundBlocked: '点一下页面才能响铃', noPerson: '这个终端还没有绑定账号',
  },
  endpoints: {
    title: '终端', add: '新增终端', edit: '修改终端', name: '终端名称', kind: '类型', kinds: { room: '会议室终端', phone: '可视电话', kiosk: '自助终端' }, user: '登录账号', userHint: '终端用这个账号登录；呼叫终端就是呼叫这个账号', autoAnswer: '自动接听', autoAnswerHint: '来电 3 秒后自动接听，适合无人值守的会议室', empty: '还没有终端', emptyHint: '给会议室、可视电话登记一个名字，就能点名呼叫。', deleteText: '删除终端“{name}”？', people: '人员', online: '在线',
  },
  record: {
    title: '会议记录', attendance: '签到', rollCall: '点名册', chat: '聊天', cameras: '调入的摄像机', recordings: '会议录像', json: '下载 JSON', xlsx: '下载 XLSX 表格', name: '姓名', venue: '会场', org: '单位', role: '身份', heads: '人数', joined: '入会', left: '离会', lasted: '时长', state: '结果', note: '备注', answered: '应答时间', by: '操作人', shown: '调入', removed: '移走', camera: '摄像机', none: '没有记录', noRecordings: '没有录像', noRecordingsHint: '会议没有录像，或录像已到期删除。', rolesOf: { chair: '主席', speaker: '发言人', attendee: '参会人', observer: '旁听' }, total: '实到 {parties} 方，{heads} 人', stillThere: '仍在会中', from: '{start} 至 {end}', rejoins: '进出 {n} 次',
  },
  player: {
    play: '播放', pause: '暂停', back: '后退 10 秒', forward: '前进 10 秒', position: '会议时间', gap: '无录像', loading: '正在打开…', failed: '这一路打不开', sound: '声音', soundOn: '开声音', soundOff: '关声音', tracks: '{n} 路同步播放', track: { camera: '画面', microphone: '声音', screen: '双流', 'screen-audio': '双流声音', video: '画面', audio: '声音' }, muted: '已静音', enlarge: '放大', shrink: '还原', audioTrack: '只有声音', waiting: '等齐各路画面…', timeline: '会议录像时间轴', speed: '倍速',
  },
  refusal: {
    not_chair: '只有主席可以这样操作', not_permitted: '没有权限', not_your_turn: '现在不能讲话，请先申请发言', already_sharing: '已有人在共享屏幕，请等对方停止', target_not_found: '对方已离开会议', wrong_state: '当前状态不能这样操作', too_fast: '操作太快，请稍等', too_long: '文字太长', in_lobby: '还在等候室', worker_unavailable: '媒体服务正在恢复，请稍等', link_lost: '网络断了，正在重连', timeout: '服务器没有及时应答', no_slot: '画面数量已到上限', source_offline: '画面暂时没有', source_not_found: '画面已不在', codec_unsupported: '浏览器不支持这种画面', bad_sdp: '媒体连接没有建立', other: '没有成功（{code}）', passcode_wrong: '入会密码不对', wrong_passcode: '入会密码不对', passcode_locked: '密码错误次数太多，请稍后再试', unknown_room: '会议链接不对或已失效', room_ended: '会议已经结束', room_locked: '会议已锁定', room_full: '会议人数已满', too_many_sessions: '打开的窗口太多，请先关掉几个',
  },
}

export default meetingZh
