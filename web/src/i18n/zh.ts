/** The words of the console. Terms follow the project's glossary; every other language has the same keys. */
import meetingZh from './meeting.zh'

const zh = {
  ...meetingZh,
  brand: { name: '乡云', title: '乡云 · 平安乡村视联网', line: '一朵云，连起每个村口', sub: '平安乡村视联网' },
  nav: {
    live: '实时预览', replay: '录像回放', cameras: '摄像机管理', import: '批量导入', storage: '存储', audit: '审计',
    people: '用户与组织', rooms: '会议', endpoints: '终端', more: '更多', main: '主导航',
  },
  common: {
    ok: '确定', cancel: '取消', save: '保存', close: '关闭', delete: '删除', edit: '编辑', add: '新增', search: '搜索',
    refresh: '刷新', all: '全部', yes: '是', no: '否', none: '无', back: '返回', loading: '正在加载…', retry: '重试',
    optional: '选填', actions: '操作', name: '名称', required: '请填写这一项', saved: '已保存', deleted: '已删除',
    days: '{n} 天', seconds: '{n} 秒', more: '加载更多', enabled: '启用', disabled: '停用', copy: '复制', unknown: '未知',
  },
  shell: {
    linkUp: '状态实时更新', linkDown: '正在重新连接…', beijing: '北京时间', type: '字号', typeNormal: '标准', typeLarge: '大字',
    typeHuge: '特大字', contrast: '高对比度', language: 'English', logout: '退出登录', view: '显示设置', skip: '跳到主要内容',
    revoked: '您的权限已变更，部分画面已停止。', alarm: '录像告警', alarms: '告警', noAlarms: '没有告警',
    idleTitle: '长时间无操作', idleText: '为保护视频安全，{n} 秒后自动退出登录。', idleStay: '继续使用',
  },
  alarmKind: {
    disk_full: '磁盘将满，录像可能停止', disk_error: '磁盘出错', recording_stopped: '应录未录：录像已停止',
    retention_deleted: '到期录像已按规定删除', recording_resumed: '录像已恢复', index_rebuilt: '录像索引已重建', alarm: '录像告警',
  },
  login: {
    title: '登录', username: '用户名', password: '密码', otp: '动态口令', submit: '登录', ended: '登录已结束，请重新登录。',
    help: '忘记密码请联系本单位的系统管理员重置。', show: '显示密码', hide: '隐藏密码',
  },
  setup: {
    title: '首次设置', intro: '欢迎使用。请设置本县名称和第一个管理员账号，之后即可接入摄像机。', county: '县（区）名称',
    countyHint: '例如：河安县', username: '管理员用户名', displayName: '姓名', password: '密码', repeat: '再输入一次密码',
    mismatch: '两次输入的密码不一致', submit: '完成设置', noDefault: '系统没有默认密码，请妥善保管。', usernameRule: '3 个以上字母、数字、点或横线',
  },
  password: {
    level0: '不可用', level1: '较弱', level2: '可以', level3: '很好', short: '至少 8 位', kinds: '请混合使用大小写字母、数字和符号',
    name: '不能包含用户名', longer: '12 位以上更安全',
  },
  problem: {
    network: '无法连接服务器。请检查网络，系统会自动重试。', unknown: '操作没有成功（代码 {status}）。', trace: '追踪编号 {id}',
    code: {
      replay_codec: 'H.265 录像，此浏览器不能播放。请换用支持 H.265 的浏览器（新版 Edge 或 Chrome），或由有权限的人员下载后播放。',
      replay_broken: '录像播放出错，请重新打开。', grant_invalid: '调阅授权已过期，请重新打开。',
      network_not_allowed: '该地址不在允许的网段内。请联系管理员在 SOURCE_NETWORKS 中加入。',
      unreachable: '连不上这台设备。请检查地址、网线和电源。', refused: '设备拒绝连接。请检查端口号。',
      unauthorized: '摄像机用户名或密码不对。', not_found: '设备上没有这个地址（码流路径不对）。',
      not_a_camera: '这个地址不是视频流。', timeout: '设备没有应答（超时）。', unsupported: '设备的编码方式暂不支持。',
      bad_url: '地址格式不对，应以 rtsp:// 开头。',
    },
  },
  state: { online: '在线', connecting: '连接中', offline: '离线', disabled: '停用', unknown: '未知' },
  reason: {
    disabled: '已停用', unreachable: '网络不可达', refused: '设备拒绝连接', unauthorized: '摄像机密码不对', not_found: '码流地址不存在',
    disconnected: '连接中断', silent: '已连接但没有画面数据', protocol_error: '设备协议错误', unsupported: '编码不支持',
    timestamp_jump: '设备时间跳变', muted: '已静音', left: '已离会', tracks_changed: '画面开关切换', shutdown: '系统停机', crash: '程序异常重启', disk_full: '磁盘已满', disk_error: '磁盘故障',
    overload: '系统过载', planned: '计划外', timeout: '设备无应答', network_not_allowed: '网段不允许', bad_url: '地址错误',
    viewer: '观看结束', deleted: '观看结束', closed: '观看结束', ended: '观看结束', idle: '长时间未操作', revoked: '权限已收回', codec_changed: '编码变化', camera_removed: '摄像机已删除', ice_failed: '网络未连通', dtls_failed: '加密协商失败', connect_timeout: '网络未连通',
    consent_lost: '观看端断网', dtls_closed: '观看结束', failed: '出错',
    not_a_camera: '不是视频流', no_recording: '无录像', not_recorded: '未录像', starting: '正在启动', key_frame: '等待关键帧', retention: '已到期删除', expired: '已到期删除', off: '未启用录像', missing: '无录像', unknown: '原因不明',
    worker_restarting: '媒体服务正在重启', volume_unavailable: '录像磁盘未挂载', wrong_volume: '录像磁盘被更换', volume_damaged: '录像磁盘标识损坏', volume_busy: '录像磁盘被其他程序占用',
    index_damaged: '正在重建录像索引', index_outdated: '正在重建录像索引', index_version: '录像索引由更新的版本写入', no_event_source: '暂无事件来源，未录像',
    other: '{code}',
  },
  recording: {
    recording: '正在录像', waiting: '等待画面', off: '不录像', stopped: '录像已停止', unknown: '未知',
    modeContinuous: '全天录像', modeSchedule: '按录像计划', modeEvent: '事件录像', modeOff: '不录像',
  },
  tree: {
    title: '摄像机', search: '搜索名称、编号、地点', empty: '还没有摄像机', emptyHint: '先到“摄像机管理”新增，或用表格批量导入。',
    noMatch: '没有找到“{text}”', onlineTotal: '在线/总数', goCameras: '去新增摄像机', show: '显示摄像机列表', hide: '收起列表',
  },
  live: {
    grid: '{n} 画面', fullScreen: '全屏', exitFull: '退出全屏', clearAll: '清空画面', snapshot: '抓图', sound: '打开声音',
    soundOff: '关闭声音', close: '关闭画面', toMain: '放大看主码流', toGrid: '返回多画面', main: '主码流', sub: '子码流', empty: '空画面',
    emptyHint: '在左侧点选或拖入摄像机', emptyHintPhone: '在下方列表点选摄像机', toReplay: '看录像', delay: '延时 {s} 秒', stats: '{fps} 帧/秒 · {rate}',
    loss: '丢包 {n}%', figures: '画面数据', audioLater: 'AAC 声音稍后支持', audioNone: '无声音', tools: '画面操作',
  },
  tile: {
    connecting: '正在打开画面…', source: '摄像机连接中', offline: '离线', disabled: '摄像机已停用', denied: '没有观看权限',
    gone: '摄像机已删除', tooMany: '观看人数已满', network: '连不上视频服务', noMedia: '没有收到画面', frozen: '画面停住',
    codec: '浏览器不支持此编码', noSub: '无子码流', h265: 'H.265 浏览器不支持，且无子码流', failed: '画面打不开', replaced: '已在另一个窗口继续', since: '已 {time}',
    retryIn: '{n} 秒后重试', retrying: '正在重试…',
    hint: {
      connecting: '', source: '正在向摄像机取流', offline: '恢复后画面会自动回来', disabled: '可在“摄像机管理”中启用',
      denied: '请联系管理员授权', gone: '', tooMany: '请稍后再试', network: '请检查网络，系统会自动重试', noMedia: '可能是防火墙拦截了视频端口（UDP）',
      frozen: '正在等待新的画面', codec: '请改看子码流', noSub: '请改看主码流', h265: '请为摄像机配置 H.264 子码流', failed: '', replaced: '刷新本页可回到这里',
    },
    note: { no_sub_stream: '无子码流，显示主码流', h265_uses_sub: 'H.265 浏览器不支持 → 使用子码流', weak_line: '网络较差 → 暂用子码流' },
  },
  cameras: {
    add: '新增摄像机', edit: '编辑摄像机', title: '摄像机', org: '所属组织', url: '主码流地址', subUrl: '子码流地址',
    urlHint: "rtsp://用户名:密码{'@'}地址:554/路径", urlKeep: '不修改请留空（已保存的地址不显示密码）', subHint: '多画面使用，建议 H.264、分辨率较低', location: '安装地点', gbCode: '国标编码', gbHint: '20 位数字',
    gbRule: '国标编码应为 20 位数字', enabled: '启用', mode: '录像方式', days: '保存天数', daysHint: '公共安全视频不少于 30 天，重点单位 90 天。到期自动删除。',
    probe: '测试连接', probing: '正在连接摄像机…', probeOk: '连接成功', probeBad: '连接失败', probeEmpty: '填写主码流地址后，点“测试连接”先看一眼画面。',
    noPreview: '已连通，没有取到预览画面', video: '视频', audio: '声音', deleteTitle: '删除摄像机', deleteText: '删除“{name}”？停止取流和录像；已有录像按保存天数到期清除。此操作会写入审计。',
    typeName: '请输入摄像机名称以确认', status: '状态', stream: '码流', record: '录像', lastPacket: '{s} 前收到数据', clock: '时钟偏差', filterState: '按状态', created: '摄像机已新增', id: '编号',
    urlRule: '地址应以 rtsp:// 或 rtsps:// 开头', empty: '还没有摄像机', emptyHint: '新增第一台，或下载模板批量导入。', view: '看实时', replay: '看录像',
  },
  import: {
    intro: '用表格一次接入多台摄像机。支持 CSV 与 XLSX，第一行为列名。', template: '下载模板', choose: '选择文件', drop: '把表格拖到这里，或点击选择',
    limits: '最大 5 MB，最多 5000 行', uploading: '正在导入…', created: '成功 {n} 行', rejected: '未导入 {n} 行', row: '行', result: '结果', message: '说明',
    ok: '已新增', bad: '未导入', again: '再导入一个文件', columns: '列说明', tooBig: '文件超过 5 MB', type: '请选择 CSV 或 XLSX 文件',
    onlyBad: '只看未导入的行',
    col: { name: '名称（必填）', org: '所属组织编号（必填）', url: '主码流地址（必填）', sub: '子码流地址', gb: '国标编码，20 位', loc: '安装地点', days: '保存天数，默认 30' },
  },
  replay: {
    pick: '选择摄像机', pickHint: '从左侧选择一台摄像机，再点选有录像的日期。', date: '日期', hasFootage: '有录像', today: '今天', prevMonth: '上个月',
    nextMonth: '下个月', prevDay: '前一天', nextDay: '后一天', timeline: '当天录像时间轴', recorded: '有录像', gap: '无录像', future: '未到时间', zoomIn: '放大时间轴', zoomOut: '缩小时间轴', wholeDay: '全天',
    play: '播放', pause: '暂停', frameBack: '上一帧', frameForward: '下一帧', speed: '倍速', keyOnly: '仅关键帧', back10: '后退 10 秒', forward10: '前进 10 秒',
    skipped: '此处无录像，已跳到 {time}', noneAfter: '这之后没有录像', noDay: '这一天没有录像', preparing: '正在打开录像…', ended: '已到录像末尾',
    startHint: '点击时间轴上的蓝色部分开始播放', completeness: '录像完整率 {n}%', in: '设起点', out: '设终点', range: '{from} 至 {to}', clearRange: '清除', download: '下载',
    tooLong: '一次最多下载 2 小时', preparingFile: '正在准备文件…', snapshot: '抓图', live: '看实时', unit: '调阅', position: '当前时间', jump: '跳到时间',
    register: '已登记：{reason}', changeReason: '更改事由', broken: '录像播放出错', retry: '重新打开', spansApart: '这段时间的编码有变化，请分段下载。',
  },
  reasonDialog: {
    title: '调阅登记', intro: '依法查阅录像须登记事由、单位和姓名。登记内容写入审计，15 分钟内不再询问。', reason: '事由', caseNo: '案件编号', unit: '单位', name: '调阅人',
    submit: '登记并播放', placeholder: '请说明为什么查看', pick: { case: '治安案件', lost: '寻人寻物', traffic: '交通事故', fire: '火情灾情', dispute: '纠纷调解', inspect: '日常巡检' },
  },
  storage: {
    free: '剩余', used: '已用', total: '共', floor: '安全余量', volume: '存储卷', meetings: '会议录像', tracks: '共 {n} 路', camera: '摄像机', required: '应存', kept: '实存', left: '预计可再存', size: '占用', oldest: '最早录像',
    firstFile: '首个文件写入中', verdict: '结论', ok: '达标', young: '历史未成熟', youngHint: '接入不久，录像还没满天数', short: '天数不足', shortHint: '应存 {need} 天，实存 {have} 天', filling: '空间将满', fillingHint: '预计 {n} 天后写满', over: '超期',
    overHint: '超过应存天数，将自动删除', none: '暂无录像', allOk: '所有摄像机存储达标', someBad: '{n} 台摄像机需要处理', rate: '存储达标率', dayShort: '{n} 天', forever: '充足', empty: '还没有录像数据', full: '低于安全余量，正在按规定清理最早的录像', away: '存储卷未挂载',
  },
  people: {
    users: '用户', orgs: '组织', addUser: '新增用户', editUser: '编辑用户', addOrg: '新增下级', editOrg: '编辑组织', username: '用户名', displayName: '姓名', org: '所属组织', roles: '角色', state: '状态',
    password: '密码', newPassword: '新密码', keepPassword: '不修改请留空', deleteUser: '删除用户“{name}”？其登录和正在观看的画面会立即结束。', deleteOrg: '删除组织“{name}”？', level: '级别', code: '行政区划代码',
    lastLogin: '最近登录', scope: '可见范围为所属组织及其下级', empty: '还没有用户', disableHint: '停用后 5 秒内结束其全部画面',
  },
  level: { county: '县', township: '乡镇', village: '村' },
  role: {
    admin: '管理员', 'system-admin': '系统管理员', 'security-admin': '安全管理员', auditor: '审计管理员', operator: '乡镇值班员', viewer: '村值守员', retriever: '录像调阅员', approver: '审批领导', maintainer: '运维人员',
  },
  audit: {
    kind: { auth: '登录', view: '实时预览', replay: '录像回放', camera: '摄像机', user: '用户', org: '组织', grant: '授权', audit: '审计' },
    verb: {
      auth_login: '登录', auth_logout: '退出登录', auth_refresh_reuse: '凭证重复使用', view_start: '开始预览', view_end: '结束预览', view_snapshot: '抓图',
      replay_grant: '调阅登记', replay_grant_end: '调阅结束', replay_open: '打开录像', replay_end: '关闭录像', replay_download: '下载录像', camera_create: '新增摄像机', camera_update: '修改摄像机',
      camera_delete: '删除摄像机', camera_probe: '测试连接', camera_import: '批量导入', user_create: '新增用户', user_update: '修改用户', user_delete: '删除用户', user_password: '修改密码',
      org_create: '新增组织', org_update: '修改组织', org_delete: '删除组织', grant_create: '授予权限', grant_delete: '收回权限', setup_done: '首次设置', audit_read: '查询审计', audit_verify: '校验审计链',
    },
    right: { live_view: '实时', live_ptz: '云台', replay_view: '回放', replay_download: '下载', camera_read: '查看摄像机', camera_manage: '管理摄像机' },
    detail: {
      name: '名称', source: '地址', source_url: '主码流', sub_source_url: '子码流', created: '新增', rejected: '未导入', failures: '连续失败次数', is_locked: '已锁定', roles: '角色', username: '用户名',
      level: '级别', quality: '码流', stream: '码流', reason: '原因', watched_s: '时长', seconds: '时长', case_no: '案件编号', unit: '单位', verbs: '权限', start: '开始', end: '结束', changes: '修改', owner: '调阅人',
      camera: '摄像机', enabled: '启用', org_id: '所属组织', display_name: '姓名', recording: '录像', mode: '方式', retention_days: '保存天数', password: '密码', bytes: '字节', locale: '语言',
    },
    at: '时间', who: '用户', action: '操作', target: '对象', result: '结果', address: '地址', trace: '追踪编号', filterUser: '用户名', filterAction: '操作', from: '开始', to: '结束',
    apply: '查询', reset: '重置', ok: '成功', denied: '拒绝', failed: '失败', empty: '没有符合条件的记录', newer: '上一页', older: '下一页', page: '第 {n} 页', details: '详情', note: '审计记录只可追加，任何人不能修改或删除。',
  },
  denied: { title: '没有权限', text: '您的账号不能打开这个页面。需要时请联系系统管理员。' },
}

export default zh
export type Messages = typeof zh
