"""Session descriptions as RTSP cameras write them, and as we write them. Pure."""
