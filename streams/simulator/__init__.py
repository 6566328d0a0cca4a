"""An RTSP server of many cameras on our own protocol code: for demos, tests and benches."""
