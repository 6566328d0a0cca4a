"""Meetings on their way to disk: what the participants of a room send, made footage track by track."""
