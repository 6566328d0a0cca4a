"""What media is: values and protocol code.

Imports nothing of ours. Only `media.base` and `media.ffmpeg` may touch asyncio, threads or processes; everything
else takes bytes and time as arguments and returns values.
"""
