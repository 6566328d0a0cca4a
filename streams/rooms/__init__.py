"""Meetings: who is in the room, who may do what, who is seen and heard. Pure rules inside, one actor per room outside."""
