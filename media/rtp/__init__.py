"""RTP and RTCP: packets, payload formats, loss and order, timelines. Pure."""
