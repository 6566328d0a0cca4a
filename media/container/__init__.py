"""Fragmented MP4, virtual MP4 and HLS playlists. Pure."""
