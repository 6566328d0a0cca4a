/** The subscribing connection: slots, which track of this browser each one is, and what the browser counts of it. */
import { Peer, type PeerOptions } from './peer'
import type { Limits, SlotsAnswer } from './protocol'
import { slotsFor, type SlotCount } from './slotPlan'

export interface SubscriberHost {
  request(type: 'slots' | 'candidate', fields: object): Promise<unknown>
  onReplaced(): void
  onConnected(isConnected: boolean): void
}

export type StatsReport = Record<string, unknown> & { type: string; timestamp: number }

export class Subscriber {
  private readonly peer: Peer
  private count: SlotCount = { audio: 0, video: 0 }
  private wanted: SlotCount

  constructor(
    host: SubscriberHost,
    options: PeerOptions,
    private readonly first: SlotCount,
    private readonly limits: Limits | null,
  ) {
    this.wanted = first
    this.peer = new Peer(
      {
        exchange: async (sdp, fresh) => ((await host.request('slots', { sdp, ...(fresh ? { fresh } : {}) })) as SlotsAnswer).sdp,
        sendCandidate: (candidate) => host.request('candidate', { connection: 'subscribe', candidate }),
        furnish: (peer) => {
          this.count = { audio: 0, video: 0 }
          this.addSlots(peer)
        },
        onReplaced: () => host.onReplaced(),
        onConnected: (isConnected) => host.onConnected(isConnected),
      },
      options,
    )
  }

  /** Sees to it that there are slots for so many wishes; resolves when the hub has answered. */
  async ensure(needed: SlotCount): Promise<void> {
    const have = this.peer.isOpen ? this.count : { audio: 0, video: 0 }
    const next = slotsFor(needed, have, this.first, this.limits)
    if (this.peer.isOpen && next.audio <= have.audio && next.video <= have.video) return
    this.wanted = next
    const { connection } = this.peer
    if (connection) this.addSlots(connection)
    await this.peer.negotiate()
  }

  trackOf(mid: string): MediaStreamTrack | null {
    return this.peer.connection?.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver.track ?? null
  }

  /** Lets a slot play so much behind, null as soon as it can; browsers that know no such wish do as before. */
  hold(mid: string, waitMs: number | null): void {
    const receiver = this.peer.connection?.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver
    if (receiver && 'jitterBufferTarget' in receiver) receiver.jitterBufferTarget = waitMs
  }

  replace(): Promise<void> {
    return this.peer.replace()
  }

  close(): void {
    this.peer.close()
  }

  async stats(): Promise<StatsReport[]> {
    return reportsOf(this.peer.connection)
  }

  /** The tracks' ids, by which the browser's reports are told apart where they do not name the mid. */
  midsByTrackId(): Map<string, string> {
    const pairs = this.peer.connection?.getTransceivers() ?? []
    return new Map(pairs.flatMap((each) => (each.mid === null ? [] : [[each.receiver.track.id, each.mid] as const])))
  }

  private addSlots(peer: RTCPeerConnection): void {
    for (; this.count.audio < this.wanted.audio; this.count.audio += 1) peer.addTransceiver('audio', { direction: 'recvonly' })
    for (; this.count.video < this.wanted.video; this.count.video += 1) peer.addTransceiver('video', { direction: 'recvonly' })
  }
}

export async function reportsOf(peer: RTCPeerConnection | null): Promise<StatsReport[]> {
  const list: StatsReport[] = []
  const reports = await peer?.getStats().catch(() => null)
  reports?.forEach((report: StatsReport) => list.push(report))
  return list
}
