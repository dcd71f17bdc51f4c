/**
 * Packets whose answers prove where a host sends what is for an address: from the address in question,
 * and the same from this router's own address as the control, which tells a stuck host from a
 * firewall. None of them changes the host's neighbor cache.
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import { echoRequest, type Heard, tcpFlags, tcpSegment, udpDatagram } from "./frames.ts";

/** "holder": does the host hold the address itself? Whoever does answers a packet to it. */
export type Witness = "echo" | "tcp" | "udp" | "holder";

/**
 * Ports of which most hosts have one open or refuse one: SMB, Remote Desktop, SSH, HTTPS, discard.
 * A Windows firewall answers on open ones alone.
 */
export const tcpPorts: readonly number[] = [445, 3389, 22, 443, 9];
/** Discard: hosts answer that nobody is there. */
const udpPort = 9;
/** Own ports from here on are no connection's: Linux gives those below to programs (ip(7)). */
const firstOwnPort = 61_000;
const ownPorts = 4_000;
/** Steps that answers are told apart by: own ports and numbers of echoes. */
const maxSteps = 16;

/** What tells this asker's answers from others': only who got its packets can know it. */
export interface WitnessIds {
  readonly echo: number;
  readonly data: string;
  readonly sequence: number;
  readonly ownPort: number;
  readonly identification: number;
}

export function createWitnessIds(): WitnessIds {
  const [echo, port, identification] = crypto.getRandomValues(new Uint16Array(3));
  const [sequence] = crypto.getRandomValues(new Uint32Array(1));
  const data = crypto.getRandomValues(new Uint8Array(8)).toHex();
  return { echo, data, sequence, ownPort: firstOwnPort + port % ownPorts, identification };
}

/** Where a witness goes to, and for which address. */
interface WitnessEnds {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly host: AddressPrefix;
  /** The address in question. */
  readonly address: AddressPrefix;
}

/** The frames of a witness at a step, the control's among them if there is an address for it. */
export function witnessFrames(
  kind: Witness,
  { host, address, ...macs }: WitnessEnds,
  control: AddressPrefix | null,
  ids: WitnessIds,
  step: number,
): Uint8Array<ArrayBuffer>[] {
  const ways = [address, ...control === null ? [] : [control]]
    .map((from) => ({ ...macs, from, to: host }));
  const ipv4Ways = host.family === 4 ? ways : [];
  const { identification, sequence } = ids;
  const echo = { id: ids.echo, sequence: 1 + step, data: ids.data };
  const sourcePort = ids.ownPort + step;
  switch (kind) {
    case "echo":
      return ways.map((way) => echoRequest(way, echo));
    case "holder":
      return control === null ? [] : [echoRequest({ ...macs, from: control, to: address }, echo)];
    case "udp":
      return ipv4Ways.map((way) =>
        udpDatagram(way, { sourcePort, destinationPort: udpPort, identification })
      );
    case "tcp":
      return ipv4Ways.flatMap((way) =>
        tcpPorts.map((destinationPort) => {
          const syn = { sequence, acknowledgment: 0, flags: tcpFlags.syn };
          return tcpSegment(way, { sourcePort, destinationPort, ...syn });
        })
      );
  }
}

/** What gives up a connection from an address that a frame of the host's half opens; null: it opens none. */
export function resetFrame(
  heard: Heard,
  host: AddressPrefix,
  from: AddressPrefix,
): Uint8Array<ArrayBuffer> | null {
  if (heard.kind !== "tcp" || (heard.flags & tcpFlags.rst) !== 0) return null;
  const { sourceMac: destinationMac, destinationMac: sourceMac, acknowledgment } = heard;
  const { sourcePort: destinationPort, destinationPort: sourcePort } = heard;
  const reset = { sequence: acknowledgment, acknowledgment: 0, flags: tcpFlags.rst };
  const way = { sourceMac, destinationMac, from, to: host };
  return tcpSegment(way, { sourcePort, destinationPort, ...reset });
}

/**
 * The step whose packet a frame answers; null if it answers none of this asker's. ARP and Neighbor
 * Discovery don't tell: 0.
 */
export function answeredStep(
  heard: Heard,
  { echo, data, sequence, ownPort, identification }: WitnessIds,
): number | null {
  const within = (step: number) => step >= 0 && step < maxSteps ? step : null;
  switch (heard.kind) {
    case "echo reply":
      return heard.id === echo && heard.data === data ? within(heard.sequence - 1) : null;
    case "tcp": {
      const isAnswer = tcpPorts.includes(heard.sourcePort) &&
        heard.acknowledgment === (sequence + 1) >>> 0 &&
        (heard.flags & (tcpFlags.rst | tcpFlags.syn)) !== 0;
      return isAnswer ? within(heard.destinationPort - ownPort) : null;
    }
    case "port unreachable":
      return heard.destinationPort === udpPort && heard.identification === identification
        ? within(heard.sourcePort - ownPort)
        : null;
    default:
      return 0;
  }
}
