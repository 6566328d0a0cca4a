"""RTSP 1.0 messages, authentication and session state machines, client and server side. Pure."""
