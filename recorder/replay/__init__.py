"""Serving what rests: playlists, virtual MP4, spans and gaps, in the replay process."""
