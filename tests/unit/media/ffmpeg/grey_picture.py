"""One grey key picture of 320x240 in H.264 (two slices), as the hub carries it."""

import base64

SETS = (
    base64.b64decode("Z2QAFqxMIgoP0IAAAAMAgAAAGUeLFwjA"),
    base64.b64decode("aOhDDyyL"),
)
DATA = base64.b64decode(
    "AAAAMGWIggJf/vezPVruoRxaXmPURLp1gAc5XEuAAMWLQ74BFUhvHPKgRkAABZRCcOPxMQAAADJlAUIiCAl//vezPVruoRxaXmPU"
    "RLp1gAc5XEuAAMWLQ74BFUhvHPKgRkAABZRCcORhgQ=="
)
