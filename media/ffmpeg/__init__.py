"""The single door to libav, OpenCV and the ffmpeg binary. Always a bounded thread or a child process, never the loop."""
