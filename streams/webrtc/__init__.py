"""The single door to aiortc and aioice, and our own raw-bytes data plane behind their ICE and DTLS."""
