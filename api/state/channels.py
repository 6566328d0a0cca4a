"""Channels of the shared state by which parts of the control plane tell browsers something (SSE). Names only."""

STATUS_CHANNEL = "xy:camera-status"
ALARM_CHANNEL = "xy:alarm"
SESSION_CHANNEL = "xy:session"
ROOM_CHANNEL = "xy:room"
CALL_CHANNEL = "xy:call"
