"""Where media flows: sources, the hub, live outputs, WebRTC sessions and meeting rooms. Never imports `recorder`."""
