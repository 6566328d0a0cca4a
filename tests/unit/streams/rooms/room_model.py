"""A second, plain account of what a room allows: dicts and ifs, sharing no table and no rule with what it judges.

`Model.do` returns the code of a refusal, or "" after it has changed itself.
"""

PEOPLE_TRACKS = {"camera", "microphone", "screen", "screen-audio"}
HOST_ONLY = {
    "transfer", "floor_grant", "floor_revoke", "mute", "unmute", "mute_all", "unmute_all", "set_speech", "spotlight",
    "roll_call_start", "roll_call_call", "roll_call_next", "roll_call_end", "admit", "reject", "set_lobby", "lock",
    "unlock", "remove", "set_role", "record_start", "record_stop", "end",
}  # fmt: skip
SYSTEM_ONLY = {"join", "leave", "detach", "reconnect", "expire", "configure"}
NEVER_SYSTEM = {
    "apply", "withdraw", "release", "floor_request", "floor_withdraw", "floor_release", "mute_self", "share_start",
    "chat",
}  # fmt: skip
NOT_OBSERVERS = {
    "apply", "withdraw", "deprive", "floor_request", "floor_withdraw", "floor_release", "mute_self", "share_start",
    "share_stop", "show_camera", "hide_camera",
}  # fmt: skip


class NoError(Exception):
    pass


def need(is_so, code):
    if not is_so:
        raise NoError(code)


class Model:
    def __init__(self, lobby=False, locked=False, speech="open", places=300):
        self.lobby, self.locked, self.speech, self.places = lobby, locked, speech, places
        self.people = {}
        self.former = {}
        self.chair = self.content = self.light = None
        self.wants_chair, self.floor, self.hands = [], [], []
        self.all_muted = self.all_locked = self.recorded = self.ended = False
        self.calling = "idle"
        self.called = None
        self.ledger = {}

    def do(self, action, by, body):
        try:
            self.refuse(action, by, body)
            getattr(self, action)(by, body)
        except NoError as no:
            return str(no)
        sharer = self.people.get(self.content)
        if sharer is not None and not self.could_share(sharer):
            self.content = None
        if self.light and self.light[1] == "screen" and self.light[0] != f"participant/{self.content}":
            self.light = None
        return ""

    def refuse(self, action, by, body):
        need(not self.ended, "room_ended")
        me = self.people.get(by)
        if by != "system":
            need(me is not None and me["kind"] != "camera", "not_in_room")
            need(not me["lobby"], "in_lobby")
        host = by in ("system", self.chair)
        if action in SYSTEM_ONLY:
            need(by == "system", "not_permitted")
        elif action in HOST_ONLY:
            need(host, "not_chair")
        elif action == "grant":
            need(host or me["role"] == "chair", "not_chair")
        elif action == "release":
            need(by == self.chair, "not_chair")
        elif action == "deprive":
            need(by == "system" or (me["role"] == "chair" and by != self.chair), "not_permitted")
        elif by == "system":
            need(action not in NEVER_SYSTEM, "not_permitted")
        elif action in NOT_OBSERVERS:
            need(by == self.chair or me["role"] != "observer", "not_permitted")
        if action.startswith("roll_call"):
            begun = {"roll_call_start": ("idle", "done"), "roll_call_answer": ("running", "done")}
            need(self.calling in begun.get(action, ("running",)), "wrong_state")
        self.refuse_target(action, by, body.get("target"), host)

    def refuse_target(self, action, by, target, host):
        if action in ("share_stop", "set_head_count", "rename"):
            if target is None and by != "system":
                return
            need(target == by or host, "not_chair")
        elif action not in (
            "leave", "detach", "reconnect", "expire", "hide_camera", "grant", "transfer", "deprive", "floor_grant",
            "floor_revoke", "mute", "unmute", "admit", "reject", "remove", "set_role",
        ):  # fmt: skip
            return
        them = self.people.get(target)
        need(them is not None, "target_not_found")
        if action in ("leave", "detach", "reconnect", "expire"):
            return
        need(them["lobby"] == (action in ("admit", "reject")), "wrong_state")
        if action not in ("hide_camera", "mute", "unmute", "remove", "admit", "reject"):
            need(them["kind"] != "camera", "wrong_state")

    # What follows for media.

    def strong(self, who):
        return who["id"] in (self.chair, *self.floor) or who["role"] in ("chair", "speaker")

    def takes_part(self, who):
        return not self.ended and not who["lobby"] and who["role"] != "observer" and who["kind"] != "camera"

    def speaks(self, who):
        if not self.takes_part(who):
            return False
        if self.calling == "running":
            if who["id"] == self.called:
                return True
            if who["id"] != self.chair:
                return False
        if "microphone" in who["chair_muted"]:
            return False
        return self.strong(who) or (self.speech == "open" and not self.all_locked)

    def could_share(self, who):
        free = self.strong(who) or self.speech == "open"
        return self.takes_part(who) and "screen" not in who["chair_muted"] and free

    def sends(self, who):
        silent = self.calling == "running" and who["id"] not in (self.called, self.chair)
        if who["kind"] == "camera":
            out = {"video", "audio"} - who["chair_muted"] - ({"audio"} if silent else set())
            return set() if self.ended else out
        if not self.takes_part(who):
            return set()
        out = {"camera"} - who["chair_muted"]
        if self.speaks(who):
            out.add("microphone")
        if self.content == who["id"]:
            out.add("screen")
            if self.speaks(who) and "screen-audio" not in who["chair_muted"]:
                out.add("screen-audio")
        return out - who["self_muted"]

    # Coming and going.

    def join(self, _by, body):
        pid, role, user = body["target"], body["role"], body.get("user_id", "")
        here = self.people.get(pid)
        if here is not None:
            need(here["kind"] != "camera" and here["user"] == user, "seat_taken")
            here["online"] = True
            if here["claimed"] != role:
                here["role"] = here["claimed"] = role
            if here["role"] == "observer":
                self.strip(pid)
            return
        old = self.former.get(pid)
        need(old is None or old["user"] == user, "seat_taken")
        if role != "chair":
            need(not self.locked or (old is not None and not old["banned"]), "room_locked")
            need(sum(p["kind"] != "camera" for p in self.people.values()) < self.places, "room_full")
        who = {
            "id": pid, "kind": body["kind"], "role": role, "claimed": role, "user": user, "online": True,
            "heads": body.get("head_count") or (1 if body["kind"] == "person" else 0), "name": body["name"],
            "lobby": self.lobby and role != "chair", "banned": False, "chair_muted": set(), "self_muted": set(),
            "shower": "",
        }  # fmt: skip
        if old is not None:
            who["chair_muted"], who["self_muted"] = set(old["chair_muted"]), set(old["chair_muted"])
            who["heads"] = body.get("head_count") or old["heads"]
            if old["claimed"] == role:
                who["role"] = old["role"]
        who["banned"] = any(p["banned"] and (p is old or (user and p["user"] == user)) for p in self.former.values())
        who["lobby"] = who["lobby"] or who["banned"]
        if self.all_muted and who["role"] != "chair":
            who["self_muted"].add("microphone")
        self.people[pid] = who
        if not who["lobby"]:
            self.enter(who)
        self.former.pop(pid, None)

    def enter(self, who):
        if who["role"] == "chair" and self.chair is None:
            self.seize(who)
        if self.calling == "idle" or who["role"] == "observer" or who["id"] == self.chair or who["id"] in self.former:
            return
        line = self.ledger.setdefault(who["id"], {"mark": "waiting", "said": [], "late": False})
        line["late"] = True

    def seize(self, who):
        self.chair = who["id"]
        self.off_floor(who["id"])
        self.wants_chair = [p for p in self.wants_chair if p != who["id"]]
        who["chair_muted"] = set()

    def off_floor(self, pid):
        self.floor = [p for p in self.floor if p != pid]
        self.hands = [p for p in self.hands if p != pid]

    def strip(self, pid):
        self.off_floor(pid)
        self.wants_chair = [p for p in self.wants_chair if p != pid]
        self.chair = None if self.chair == pid else self.chair
        self.content = None if self.content == pid else self.content
        if self.light and self.light[0].split("/")[1] in (pid, pid.removeprefix("camera-")):
            self.light = None

    def drop(self, pid, banned=False):
        self.strip(pid)
        who = self.people.pop(pid)
        who["banned"] = banned or (who["banned"] and who["lobby"])
        self.former.pop(pid, None)
        self.former[pid] = who

    def leave(self, _by, body):
        need(self.people[body["target"]]["kind"] != "camera", "wrong_state")
        self.drop(body["target"])

    def expire(self, _by, body):
        need(not self.people[body["target"]]["online"], "wrong_state")
        self.drop(body["target"])

    def detach(self, _by, body):
        who = self.people[body["target"]]
        need(who["online"] and who["kind"] != "camera", "wrong_state")
        who["online"] = False

    def reconnect(self, _by, body):
        who = self.people[body["target"]]
        need(not who["online"], "wrong_state")
        who["online"] = True

    def admit(self, _by, body):
        who = self.people[body["target"]]
        if who["banned"] and who["user"]:
            for other in self.former.values():
                other["banned"] = other["banned"] and other["user"] != who["user"]
        who["lobby"] = who["banned"] = False
        self.enter(who)

    def reject(self, _by, body):
        self.drop(body["target"])

    def set_lobby(self, _by, body):
        self.lobby = body["has_lobby"]
        for who in [] if self.lobby else list(self.people.values()):
            if who["lobby"] and not who["banned"]:
                who["lobby"] = False
                self.enter(who)

    def lock(self, _by, _body):
        self.locked = True

    def unlock(self, _by, _body):
        self.locked = False

    def remove(self, by, body):
        who = self.people[body["target"]]
        need(by != who["id"], "wrong_state")
        need(by == "system" or who["claimed"] != "chair", "not_permitted")
        self.drop(who["id"], banned=who["kind"] != "camera")

    def set_role(self, by, body):
        who = self.people[body["target"]]
        need(by == "system" or who["claimed"] != "chair", "not_permitted")
        if body["role"] == "observer":
            need(who["id"] != self.chair, "wrong_state")
            self.strip(who["id"])
        who["role"] = body["role"]

    def set_head_count(self, by, body):
        self.people[body.get("target") or by]["heads"] = body["head_count"]

    def rename(self, by, body):
        need("name" in body or "venue" in body, "bad_message")
        who = self.people[body.get("target") or by]
        who["name"] = body.get("name", who["name"])

    def show_camera(self, by, body):
        need(by == "system" or self.could_share(self.people[by]), "not_permitted")
        pid = "camera-" + body["camera_id"]
        if pid not in self.people:
            self.people[pid] = {
                "id": pid, "kind": "camera", "role": "attendee", "claimed": "attendee", "user": "", "online": True,
                "heads": 0, "name": "", "lobby": False, "banned": False, "chair_muted": {"audio"}, "self_muted": set(),
                "shower": by,
            }  # fmt: skip
        self.people[pid]["name"] = body["name"]

    def hide_camera(self, by, body):
        who = self.people[body["target"]]
        need(who["kind"] == "camera", "wrong_state")
        need(by in ("system", self.chair, who["shower"]), "not_chair")
        self.drop(who["id"])

    def end(self, by, body):
        if self.calling == "running":
            self.roll_call_end(by, body)
        self.ended = True
        self.people = {}
        self.chair = self.content = self.light = None
        self.wants_chair, self.floor, self.hands = [], [], []
        self.recorded = False

    # Chair and floor.

    def apply(self, by, _body):
        need(by != self.chair and by not in self.wants_chair, "wrong_state")
        if self.chair is None and self.people[by]["role"] in ("chair", "speaker"):
            self.seize(self.people[by])
        else:
            self.wants_chair.append(by)

    def withdraw(self, by, _body):
        need(by in self.wants_chair, "wrong_state")
        self.wants_chair.remove(by)

    def grant(self, by, body):
        need(by in ("system", self.chair) or self.chair is None, "not_chair")
        need(body["target"] in self.wants_chair, "wrong_state")
        self.seize(self.people[body["target"]])

    def transfer(self, _by, body):
        who = self.people[body["target"]]
        need(who["role"] != "observer", "not_permitted")
        need(who["id"] != self.chair and who["online"], "wrong_state")
        self.seize(who)

    def release(self, _by, _body):
        self.chair = None

    def deprive(self, by, body):
        need(body["target"] == self.chair, "wrong_state")
        if by == "system":
            self.chair = None
        else:
            self.seize(self.people[by])

    def floor_request(self, by, _body):
        need(by != self.chair and by not in self.floor and by not in self.hands, "wrong_state")
        self.hands.append(by)

    def floor_withdraw(self, by, _body):
        need(by in self.hands, "wrong_state")
        self.hands.remove(by)

    def floor_grant(self, _by, body):
        who = self.people[body["target"]]
        need(who["role"] != "observer", "not_permitted")
        need(who["id"] != self.chair and who["id"] not in self.floor and len(self.floor) < 3, "wrong_state")
        who["chair_muted"].discard("microphone")
        self.off_floor(who["id"])
        self.floor.append(who["id"])

    def floor_release(self, by, _body):
        need(by in self.floor, "wrong_state")
        self.off_floor(by)

    def floor_revoke(self, _by, body):
        need(body["target"] in self.floor, "wrong_state")
        self.off_floor(body["target"])

    # Heard and shown.

    def mute_self(self, by, body):
        who, track = self.people[by], body["track"]
        need(track in PEOPLE_TRACKS, "bad_message")
        if body["muted"]:
            who["self_muted"].add(track)
            return
        called = self.calling == "running" and self.called == by
        if track == "microphone":
            need(self.speaks(who), "not_your_turn")
            need(called or track not in who["chair_muted"], "not_your_turn")
        else:
            need(track not in who["chair_muted"], "not_your_turn")
        who["self_muted"].discard(track)

    def mute(self, by, body):
        who = self.people[body["target"]]
        need(who["id"] != by, "wrong_state")
        camera = who["kind"] == "camera"
        track = body.get("track", "audio" if camera else "microphone")
        need(track in ({"video", "audio"} if camera else PEOPLE_TRACKS), "bad_message")
        who["chair_muted"].add(track)
        if not camera:
            who["self_muted"].add(track)

    def unmute(self, _by, body):
        self.people[body["target"]]["chair_muted"] = set()

    def mute_all(self, _by, body):
        self.all_muted, self.all_locked = True, body.get("is_locked", False)
        for who in self.people.values():
            if self.takes_part(who) and not self.strong(who):
                who["self_muted"].add("microphone")

    def unmute_all(self, _by, _body):
        self.all_muted = self.all_locked = False
        for who in self.people.values():
            who["chair_muted"].discard("microphone")

    def set_speech(self, _by, body):
        self.speech = body["speech"]

    def spotlight(self, _by, body):
        source, track = body.get("source"), body.get("track")
        if source is None:
            self.light = None
            return
        kind, _, key = source.partition("/")
        who = self.people.get(key if kind == "participant" else "camera-" + key)
        ok = who is not None and (who["kind"] == "camera") == (kind == "camera")
        need(ok and not who["lobby"] and who["role"] != "observer", "source_not_found")
        pictures = {"video"} if kind == "camera" else {"camera", "screen"}
        need(track is None or track in pictures, "bad_message")
        need(track != "screen" or self.content == key, "wrong_state")
        self.light = (source, track)

    def share_start(self, by, _body):
        need(self.content != by, "wrong_state")
        who = self.people[by]
        if not self.could_share(who):
            raise NoError("not_your_turn" if "screen" in who["chair_muted"] else "not_permitted")
        need(self.content is None, "already_sharing")
        self.content = by

    def share_stop(self, by, body):
        need(self.content == (body.get("target") or by), "wrong_state")
        self.content = None

    def record_start(self, _by, _body):
        need(not self.recorded, "wrong_state")
        self.recorded = True

    def record_stop(self, _by, _body):
        need(self.recorded, "wrong_state")
        self.recorded = False

    def chat(self, _by, body):
        if body.get("to"):
            who = self.people.get(body["to"])
            need(who is not None and not who["lobby"] and who["kind"] != "camera", "target_not_found")

    # Roll call.

    def roll_call_start(self, _by, body):
        asked = body.get("participant_ids")
        if asked is None:
            asked = [
                p["id"] for p in self.people.values()
                if not p["lobby"] and p["kind"] != "camera" and p["role"] != "observer" and p["id"] != self.chair
            ]  # fmt: skip
        for pid in asked:
            who = self.people.get(pid) or self.former.get(pid)
            need(who is not None and who["kind"] != "camera", "target_not_found")
        need(asked, "wrong_state")
        self.calling, self.called = "running", None
        self.ledger = {pid: {"mark": "waiting", "said": [], "late": False} for pid in asked}

    def hang_up(self):
        line = self.ledger.get(self.called)
        if line is not None and line["mark"] == "called":
            line["said"] = line["said"] or ["absent"]
            line["mark"] = line["said"][-1]

    def roll_call_call(self, _by, body):
        need(body["target"] in self.ledger, "target_not_found")
        need(self.called != body["target"] or self.ledger[self.called]["mark"] != "called", "wrong_state")
        self.hang_up()
        self.called = body["target"]
        self.ledger[self.called]["mark"] = "called"

    def roll_call_next(self, by, _body):
        waiting = [pid for pid, line in self.ledger.items() if line["mark"] == "waiting"]
        if waiting:
            self.roll_call_call(by, {"target": waiting[0]})
            return
        need(self.called is not None, "wrong_state")
        self.hang_up()
        self.called = None

    def roll_call_answer(self, by, body):
        host = by in ("system", self.chair)
        target = body.get("target") or (self.called if host else by)
        if not host:
            need(target == by, "not_chair")
            mine = self.calling == "running" and self.called == by and self.ledger[by]["mark"] == "called"
            need(mine, "not_your_turn")
            need(body["state"] in ("present", "substitute"), "not_permitted")
        need(target in self.ledger, "target_not_found")
        self.ledger[target]["mark"] = body["state"]
        self.ledger[target]["said"].append(body["state"])

    def roll_call_end(self, _by, _body):
        self.hang_up()
        self.calling, self.called = "done", None
