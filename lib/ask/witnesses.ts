/**
 * Packets whose answers prove where a host sends what is for an address: from the address in question,
 * and the same from this router's own address as the control, which tells a stuck host from a
 * firewall. None of them changes the host's neighbor cache but "request".
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import {
  arpRequest,
  echoRequest,
  type Heard,
  neighborSolicitation,
  tcpFlags,
  tcpSegment,
  udpDatagram,
} from "./frames.ts";

/**
 * "request": once more for the host alone. "holder": does the host hold the address itself? Whoever
 * does answers a packet to it.
 */
export type Witness = "echo" | "tcp" | "udp" | "request" | "holder";

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

/** What tells this asker's answers from others': unguessable from outside the link. */
export interface WitnessIds {
  readonly echo: number;
  readonly sequence: number;
  readonly ownPort: number;
}

export function createWitnessIds(): WitnessIds {
  const [echo, port] = crypto.getRandomValues(new Uint16Array(2));
  const [sequence] = crypto.getRandomValues(new Uint32Array(1));
  return { echo, sequence, ownPort: firstOwnPort + port % ownPorts };
}

/** Where a witness goes to, and for which address. */
interface WitnessEnds {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly host: AddressPrefix;
  /** The address in question. */
  readonly address: AddressPrefix;
}

/** The frames of a witness, the control's among them if there is an address for it. */
export function witnessFrames(
  kind: Witness,
  { host, address, ...macs }: WitnessEnds,
  control: AddressPrefix | null,
  ids: WitnessIds,
): Uint8Array<ArrayBuffer>[] {
  const ways = [address, ...control === null ? [] : [control]]
    .map((from) => ({ ...macs, from, to: host }));
  const echo = { id: ids.echo, sequence: 1 };
  const ports = { sourcePort: ids.ownPort, destinationPort: udpPort };
  switch (kind) {
    case "echo":
      return ways.map((way) => echoRequest(way, echo));
    case "holder":
      return control === null ? [] : [echoRequest({ ...macs, from: control, to: address }, echo)];
    case "request":
      return host.family === 4 ? [arpRequest(ways[0])] : [neighborSolicitation(ways[0], host)];
    case "udp":
      return host.family === 4 ? ways.map((way) => udpDatagram(way, ports)) : [];
    case "tcp":
      return host.family === 4
        ? ways.flatMap((way) =>
          tcpPorts.map((destinationPort) =>
            tcpSegment(way, {
              sourcePort: ids.ownPort,
              destinationPort,
              sequence: ids.sequence,
              acknowledgment: 0,
              flags: tcpFlags.syn,
            })
          )
        )
        : [];
  }
}

/** Whether a frame answers one of this asker's packets, or is of a kind that asks by itself. */
export function isAnswer(heard: Heard, { echo, sequence, ownPort }: WitnessIds): boolean {
  switch (heard.kind) {
    case "echo reply":
      return heard.id === echo;
    case "tcp":
      return tcpPorts.includes(heard.sourcePort) && heard.destinationPort === ownPort &&
        heard.acknowledgment === (sequence + 1) >>> 0 &&
        ((heard.flags & tcpFlags.rst) !== 0 || (heard.flags & tcpFlags.syn) !== 0);
    case "port unreachable":
      return heard.sourcePort === ownPort && heard.destinationPort === udpPort;
    default:
      return true;
  }
}
