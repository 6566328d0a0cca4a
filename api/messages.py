"""The sentences people read, by stable code, in Chinese and English.

Pure. Called by `api.http.errors` for problem documents and by `camera_import` for its report. A code without a sentence
of its own falls back to the sentence of its kind; a test finds the codes of this package that have none.
"""

from dataclasses import dataclass

from media.base.errors import ErrorKind


@dataclass(frozen=True, slots=True)
class Sentence:
    """One message in both languages."""

    zh: str
    en: str

    def in_locale(self, locale: str) -> str:
        """Return the text in `zh-CN` or `en`."""
        return self.en if locale == "en" else self.zh


OF_KIND = {
    ErrorKind.INVALID: Sentence("请求内容有误。", "The request is not valid."),
    ErrorKind.NOT_FOUND: Sentence("没有找到。", "Not found."),
    ErrorKind.UNAUTHENTICATED: Sentence("请先登录。", "Log in first."),
    ErrorKind.DENIED: Sentence("没有权限。", "You are not allowed to do this."),
    ErrorKind.CONFLICT: Sentence("与现有内容冲突。", "This conflicts with what is there."),
    ErrorKind.UNAVAILABLE: Sentence("服务暂时不可用,请稍后再试。", "Not available at the moment; try again shortly."),
    ErrorKind.EXHAUSTED: Sentence("请求太多,请稍后再试。", "Too many requests; try again shortly."),
    ErrorKind.TIMEOUT: Sentence("等待超时,请稍后再试。", "It took too long; try again shortly."),
    ErrorKind.DATA_LOSS: Sentence("数据已损坏或无法读取。", "Stored data is damaged or cannot be read."),
    ErrorKind.INTERNAL: Sentence("系统内部错误,已记录。", "An internal error; it has been logged."),
}

OF_CODE = {
    "account_locked": Sentence(
        "登录失败次数过多,账号在此地址暂时锁定。", "Too many failed log-ins; locked here for a while."
    ),
    "bad_credentials": Sentence("用户名或密码不正确。", "The user name or the password is wrong."),
    "bad_file": Sentence(
        "文件无法读取,请使用 CSV 或 XLSX 模板。", "The file cannot be read; use the CSV or XLSX template."
    ),
    "bad_request": Sentence("这不是有效的 HTTP 请求。", "This is not an HTTP request."),
    "bad_sdp": Sentence("媒体协商内容有误。", "The SDP offer is not usable."),
    "bad_url": Sentence(
        "视频地址不正确,应形如 rtsp://用户:密码@主机:端口/路径;密码中的特殊字符需转义。",
        "Not a stream address such as rtsp://user:password@host:port/path; percent-encode special characters.",
    ),
    "body_too_large": Sentence("上传内容太大。", "The request body is too large."),
    "camera_disabled": Sentence("摄像机已停用。", "The camera is disabled."),
    "camera_offline": Sentence("摄像机离线,暂时没有画面。", "The camera is offline; there is no picture now."),
    "codec_unsupported": Sentence("浏览器不支持该摄像机的编码。", "This browser cannot play the camera's codec."),
    "conflict": Sentence("与现有内容冲突,未做更改。", "This conflicts with what is stored; nothing was changed."),
    "database_unavailable": Sentence("数据库暂时不可用,录像不受影响。", "The database is away; recording goes on."),
    "denied": Sentence("您没有这里的操作权限。", "You do not hold the permission for this here."),
    "bad_schedule": Sentence(
        "录像计划不正确：星期为 1–7，时间形如 08:30。", "The schedule is wrong: days are 1 to 7, times look like 08:30."
    ),
    "duplicate_gb_code": Sentence("国标编码已被使用。", "The GB code is already in use."),
    "duplicate_id": Sentence("编号已存在。", "The id already exists."),
    "duplicate_username": Sentence("用户名已存在。", "The user name already exists."),
    "grant_invalid": Sentence(
        "调阅授权无效或已过期,请重新登记事由。", "The playback grant is not valid any more; state the reason again."
    ),
    "head_too_large": Sentence("请求头太大。", "The request line and headers are too large."),
    "invalid_body": Sentence("提交的内容有误。", "The submitted content is not valid."),
    "invalid_cursor": Sentence("翻页标记无效。", "The cursor is not valid."),
    "invalid_id": Sentence(
        "编号只能用小写字母、数字和短横线,1 到 64 位。", "An id is 1 to 64 characters of a-z, 0-9 and -."
    ),
    "invalid_range": Sentence("时间范围不正确。", "The time range is not valid."),
    "invalid_text": Sentence("内容含有不允许的字符。", "The text holds characters that are not allowed."),
    "invalid_value": Sentence("有一个值超出范围。", "A value does not fit."),
    "last_admin": Sentence("至少要保留一个启用的管理员。", "At least one enabled administrator must remain."),
    "method_not_allowed": Sentence("不支持这种请求方式。", "This method is not supported here."),
    "network_not_allowed": Sentence(
        "地址不在允许的视频网段内。", "The address is outside the allowed camera networks."
    ),
    "no_worker": Sentence("没有可用的媒体服务进程,正在恢复。", "No media worker is available; it is being restored."),
    "no_sub_stream": Sentence("该摄像机没有子码流。", "The camera has no sub stream."),
    "not_found": Sentence("没有找到。", "Not found."),
    "not_yourself": Sentence("不能对自己的账号做此操作。", "You cannot do this to your own account."),
    "outside_grant": Sentence(
        "不在登记的时间范围内,请重新登记事由。", "Outside the registered range; state the reason again."
    ),
    "not_a_camera": Sentence("该地址不是摄像机。", "There is no camera at this address."),
    "too_many_probes": Sentence(
        "正在检测的摄像机太多,请稍后再试。", "Too many cameras are being probed; try again shortly."
    ),
    "invalid_username": Sentence("用户名只能含文字、数字和 . _ - @。", "A user name is letters, digits, and . _ - @."),
    "internal": Sentence("系统内部错误,已记录。", "An internal error; it has been logged."),
    "camera_not_here": Sentence(
        "摄像机正在切换媒体服务,请稍后再试。", "The camera is moving between workers; try again shortly."
    ),
    "ice_restart_unsupported": Sentence("请重新打开画面。", "Open the picture again."),
    "no_footage": Sentence("这段时间没有录像。", "Nothing was recorded in this range."),
    "no_picture": Sentence("还没有收到画面。", "No picture has arrived yet."),
    "not_decodable": Sentence("画面无法解码。", "The picture cannot be decoded."),
    "outside_window": Sentence("超出所请求的时间范围。", "Outside the requested range."),
    "range_not_satisfiable": Sentence("请求的字节范围不存在。", "There are no such bytes."),
    "refused": Sentence("摄像机拒绝连接。", "The camera refused the connection."),
    "segment_gone": Sentence("这段录像已不存在。", "This piece of recording is gone."),
    "segment_unreadable": Sentence("这段录像无法读取。", "This piece of recording cannot be read."),
    "session_not_found": Sentence("观看会话已结束。", "The viewing session has ended."),
    "several_codecs": Sentence(
        "这段录像中途更换了编码,请按片段分别下载。",
        "The codec changes within the range; download the spans one by one.",
    ),
    "request_timeout": Sentence("请求内容没有按时传完。", "The request did not arrive in time."),
    "timeout": Sentence("摄像机没有在规定时间内回应。", "The camera did not answer in time."),
    "too_large": Sentence("文件太大,请缩短时间。", "The file would be too large; ask for less."),
    "too_long": Sentence("一次最多下载两小时,请分段。", "At most two hours at once; ask for the spans one by one."),
    "too_many_snapshots": Sentence("抓图请求太多,请稍后再试。", "Too many snapshots at the moment."),
    "unauthorized": Sentence("摄像机的用户名或密码不正确。", "The camera refuses the user name or the password."),
    "unsupported": Sentence("摄像机的编码或传输方式不受支持。", "The camera's codec or transport is not supported."),
    "unsupported_codec": Sentence("摄像机的编码不受支持。", "The camera's codec is not supported."),
    "volume_unavailable": Sentence("录像所在的磁盘不可用。", "The disk with this recording is not available."),
    "invalid_month": Sentence("月份不正确。", "Not a month."),
    "invalid_time": Sentence("时间格式不正确。", "Not a moment in RFC 3339."),
    "database_url": Sentence("数据库地址不正确。", "The database address is not valid."),
    "database_newer": Sentence("数据库由更新的版本写入。", "The database was written by a newer version."),
    "org_level": Sentence("上级组织的层级必须高于本组织。", "The parent must be of a higher level."),
    "org_not_empty": Sentence(
        "组织下还有下级、用户或摄像机,不能删除。", "The organisation still has children, users or cameras."
    ),
    "range_in_future": Sentence("开始时间还没有到。", "The start lies in the future."),
    "range_too_long": Sentence("时间范围太长。", "The time range is too long."),
    "rate_limited": Sentence("请求太频繁,请稍后再试。", "Too many requests; try again shortly."),
    "reason_required": Sentence("调阅录像前请先登记事由。", "State a reason before looking at recordings."),
    "already_answered": Sentence("来电已在别处接听或已结束。", "The call was answered elsewhere or has ended."),
    "busy": Sentence("对方正在通话中。", "The other side is talking already."),
    "foreign_origin": Sentence("请从本系统的页面打开。", "Open it from a page of this system."),
    "hello_first": Sentence("请先发送 hello。", "Say hello first."),
    "in_lobby": Sentence("您还在等候室,请等待主席准入。", "You are in the lobby; wait to be admitted."),
    "name_required": Sentence("请填写姓名。", "State your name."),
    "no_invite": Sentence("本会议没有邀请链接。", "The meeting has no invitation."),
    "no_slot": Sentence("画面数量已达上限。", "There is no room for another picture."),
    "not_acceptable": Sentence("应答格式是 application/sdp。", "The answer is application/sdp; accept it."),
    "not_chair": Sentence("只有主席可以进行此操作。", "Only the chair may do this."),
    "not_in_room": Sentence("您不在会议中。", "You are not in the meeting."),
    "not_permitted": Sentence("没有权限。", "You are not permitted to do this."),
    "not_your_turn": Sentence("还没有轮到您。", "It is not your turn."),
    "passcode_locked": Sentence("入会密码错误次数过多,请稍后再试。", "Too many wrong passcodes; try again later."),
    "resume_unknown": Sentence("会话已失效,请重新进入。", "The session cannot be resumed; join again."),
    "room_ended": Sentence("会议已结束。", "The meeting has ended."),
    "room_full": Sentence("会议人数已满。", "The meeting is full."),
    "room_locked": Sentence("会议已锁定,不能进入。", "The meeting is locked."),
    "room_not_found": Sentence("会议不存在。", "There is no such meeting."),
    "seat_taken": Sentence("该席位已被占用。", "The seat is taken."),
    "source_not_found": Sentence("没有这路画面。", "There is no such source."),
    "source_offline": Sentence("该路画面离线。", "The source is offline."),
    "target_not_found": Sentence("该参会者不在会议中。", "There is no such participant."),
    "too_fast": Sentence("操作太快,请稍后再试。", "Too fast; slow down."),
    "too_many_cameras": Sentence("会议中的摄像机太多。", "Too many cameras in the meeting."),
    "too_many_members": Sentence("成员太多。", "Too many members."),
    "too_many_sessions": Sentence("您打开的会话太多。", "You have too many sessions open."),
    "too_many_subscriptions": Sentence("您同时观看的画面太多。", "You are watching too many streams."),
    "token_used": Sentence("凭证已被使用,请重新进入。", "The token was used already; join again."),
    "unknown_call": Sentence("呼叫不存在。", "There is no such call."),
    "unknown_endpoint": Sentence("终端不存在。", "There is no such endpoint."),
    "unknown_room": Sentence("会议不存在。", "There is no such room."),
    "unsupported_protocol": Sentence("页面版本过旧,请刷新。", "The page is of another version; reload it."),
    "unavailable": Sentence("暂时不可用。", "Not available at the moment."),
    "wrong_passcode": Sentence("入会密码不正确。", "The passcode is wrong."),
    "wrong_state": Sentence("当前状态下不能进行此操作。", "This is not possible now."),
    "too_slow": Sentence("页面没有及时接收数据。", "The page does not read what it is sent."),
    "refresh_invalid": Sentence("登录已失效,请重新登录。", "The log-in has ended; log in again."),
    "replay_unavailable": Sentence(
        "录像服务正在恢复,请稍后再试。", "The replay service is being restored; try again shortly."
    ),
    "role_not_grantable": Sentence("您不能授予这个角色。", "You cannot hand out this role."),
    "secret_unreadable": Sentence(
        "无法解密已保存的密码,请检查密钥。", "A stored secret cannot be read; check the secret key."
    ),
    "setup_done": Sentence("系统已经初始化。", "The first-run set-up has already been done."),
    "state_unavailable": Sentence(
        "状态服务正在恢复,录像不受影响。", "The shared state is being restored; recording goes on."
    ),
    "token_expired": Sentence("登录已过期,请重新登录。", "The token has expired."),
    "token_invalid": Sentence("登录凭证无效。", "The token is not valid."),
    "token_missing": Sentence("请先登录。", "Log in first."),
    "too_many_grants": Sentence("同时打开的调阅太多。", "Too many playback grants are open."),
    "too_many_rows": Sentence("一次最多导入 5000 行。", "At most 5000 rows can be imported at once."),
    "too_many_streams": Sentence("您同时观看的画面太多。", "You are watching too many streams."),
    "too_many_viewers": Sentence("观看人数已满,请稍后再试。", "Too many viewers at the moment."),
    "unknown_org": Sentence("组织不存在。", "There is no such organisation."),
    "unknown_camera": Sentence("摄像机不存在。", "There is no such camera."),
    "unknown_role": Sentence("角色不存在。", "There is no such role."),
    "unknown_track": Sentence("没有这路会议录像。", "The meeting has no such track."),
    "unknown_user": Sentence("用户不存在。", "There is no such user."),
    "unreachable": Sentence(
        "主机名无法解析或无法连接。", "The host name does not resolve, or the host cannot be reached."
    ),
    "unsupported_media_type": Sentence("不支持这种内容类型。", "This content type is not supported."),
    "unsupported_scheme": Sentence(
        "目前只支持 rtsp:// 与 rtsps:// 地址。", "Only rtsp:// and rtsps:// addresses are supported."
    ),
    "weak_password": Sentence(
        "密码太弱:至少 8 位,含两类以上字符,且不能是常见密码或用户名。",
        "The password is too weak: 8 characters or more of two kinds, not a common one, not the user name.",
    ),
    "worker_unavailable": Sentence(
        "媒体服务正在恢复,请稍后再试。", "The media worker is being restored; try again shortly."
    ),
    "wrong_password": Sentence("原密码不正确。", "The present password is wrong."),
}

OF_CLOSING = {
    "left": Sentence("您已离开。", "You have left."),
    "room_ended": Sentence("会议已结束。", "The meeting is over."),
    "replaced": Sentence("已在另一窗口进入。", "This goes on in another window."),
    "unauthenticated": Sentence("请重新登录。", "Log in again."),
    "refused": Sentence("未能进入。", "The session was refused."),
    "removed": Sentence("您已被移出会议。", "You were removed from the meeting."),
    "rejected": Sentence("主席未准许进入。", "You were not admitted."),
    "revoked": Sentence("权限已被收回。", "The right to this was withdrawn."),
    "too_slow": Sentence("网络太慢,已断开。", "This page does not read what it is sent."),
    "too_fast": Sentence("请求太快,已断开。", "This page sends too much."),
    "worker_restart": Sentence(
        "媒体服务正在恢复,稍后自动重连。", "The media worker restarts; you will be back in a moment."
    ),
    "internal": Sentence("系统内部错误,已记录。", "An internal error; it has been logged."),
}
"""Why a session ends, by the closing codes of SIGNALING.md."""


def closing(code: str, locale: str) -> str:
    """Return why a session ends."""
    return OF_CLOSING.get(code, OF_CLOSING["internal"]).in_locale(locale)


def sentence(code: str, kind: ErrorKind, locale: str) -> str:
    """Return the sentence of `code`, or else of `kind`, in `locale`."""
    return OF_CODE.get(code, OF_KIND[kind]).in_locale(locale)


def locale_of(accept_language: str) -> str:
    """Return `en` or `zh-CN` (the default) by an Accept-Language header; malformed parts are passed over."""
    best, best_weight = "zh-CN", 0.0
    for part in accept_language[:200].split(","):
        tag, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        primary = tag.strip().lower().partition("-")[0]
        if primary in {"zh", "en"} and weight > best_weight:
            best, best_weight = ("en" if primary == "en" else "zh-CN"), weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
