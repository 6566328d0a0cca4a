/** What WHEP says outside the SDP itself: ICE servers in `Link` headers, sound in a header; pure. */

export type AudioPath = 'passthrough' | 'none' | 'aac-later'

export function audioPathOf(header: string | null): AudioPath {
  return header === 'passthrough' || header === 'aac-later' ? header : 'none'
}

/** RFC 8288 `Link` values with rel="ice-server", as browsers want them. */
export function iceServersOf(header: string | null): RTCIceServer[] {
  if (header === null) return []
  const servers: RTCIceServer[] = []
  for (const match of header.matchAll(/<([^>]+)>([^<]*)/g)) {
    const [, url, rest] = match
    if (url === undefined || rest === undefined || !/rel="?ice-server"?/.test(rest)) continue
    const server: RTCIceServer = { urls: url }
    const username = /username="([^"]*)"/.exec(rest)?.[1]
    const credential = /credential="([^"]*)"/.exec(rest)?.[1]
    if (username !== undefined) server.username = username
    if (credential !== undefined) server.credential = credential
    servers.push(server)
  }
  return servers
}
