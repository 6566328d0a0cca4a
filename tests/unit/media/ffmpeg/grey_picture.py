"""One grey key picture of 320x240 in H.264, as the hub carries it."""

import base64

SETS = (
    base64.b64decode("Z2QAFqxyBEFB+hAAAAMAEAAAAwMg8WLYRg=="),
    base64.b64decode("aOhDjyyL"),
)
DATA = base64.b64decode(
    "AAAAL2WIgQAFX/72kupY53kl7NL8T9X+GI3hngAAHrQZZevd827yKgF7AABQxTSzexYhAAAAMGUBQiIEABV//vaS6ljneSXs0vxP"
    "1f4YjeGeAAAetBll693zbvIqAXsAAFDFNLOG8Q=="
)
