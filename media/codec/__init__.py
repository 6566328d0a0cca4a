"""Codecs as far as they must be understood without decoding: parameter sets, key frames, codec strings. Pure."""
