/**
 * Hosts that are heard on a router's links, master or not: whoever broadcasts an ARP packet says where
 * it is. A router that was backup for weeks knows whom to probe then; its kernel knows hardly anybody.
 */
import type { PacketSocket } from "../libc/packet_socket.ts";
import {
  addressBits,
  type AddressPrefix,
  type OwnInterface,
  prefixContains,
} from "../wire/addresses.ts";
import { arpFilterProgram } from "./filter.ts";
import { broadcastMac, readFrame } from "./frames.ts";
import { type KnownHost, maxKnownHosts } from "./known_hosts.ts";
import type { OpenSocket } from "./asker.ts";

/** How a listener listens. */
interface ListenerOptions {
  readonly openSocket: OpenSocket;
  readonly interfaces: () => readonly OwnInterface[];
  /** Unix time in ms. */
  readonly wall: () => number;
}

/** Sockets that fill in the kernel until somebody looks: nothing wakes this process for them. */
export class HostListener {
  readonly #options: ListenerOptions;
  readonly #sockets = new Map<string, PacketSocket>();
  readonly #heard = new Map<string, KnownHost>();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /**
   * Takes in what has come since the last look, some 500 packets a link, and opens what there is to
   * open; a link that can't be heard is tried again.
   */
  look(): void {
    const interfaces = this.#options.interfaces().filter(({ hasNeighbors }) => hasNeighbors);
    for (const [link, socket] of this.#sockets) {
      if (interfaces.some(({ name }) => name === link)) continue;
      this.#sockets.delete(link);
      void socket.close();
    }
    for (const own of interfaces) {
      const socket = this.#sockets.get(own.name) ?? this.#open(own.name);
      socket?.receive((frame) => this.#hear(own, frame));
    }
  }

  /** The hosts that were heard since they were taken. */
  heard(): KnownHost[] {
    return [...this.#heard.values()];
  }

  /** The same, and forgets them. */
  take(): KnownHost[] {
    const hosts = this.heard();
    this.#heard.clear();
    return hosts;
  }

  close(): void {
    for (const socket of this.#sockets.values()) void socket.close();
    this.#sockets.clear();
  }

  #open(link: string): PacketSocket | null {
    try {
      const socket = this.#options.openSocket(link, arpFilterProgram());
      this.#sockets.set(link, socket);
      return socket;
    } catch {
      return null;
    }
  }

  #hear({ name, addresses }: OwnInterface, frame: Uint8Array) {
    const heard = readFrame(frame);
    if (heard?.kind !== "arp request" && heard?.kind !== "arp reply") return;
    const { destinationMac, sourceMac, senderMac, from } = heard;
    // What is for another host says nothing to this one, and who speaks for others is no host.
    if (destinationMac !== broadcastMac || sourceMac !== senderMac) return;
    const bytes = new Uint8Array(16);
    bytes.setFromHex(from);
    const address: AddressPrefix = { family: 4, length: 32, bytes };
    const isOnLink = addresses.some(({ network }) =>
      network.length < addressBits(4) && prefixContains(network, address)
    );
    const key = `${name} ${from}`;
    if (!isOnLink || this.#heard.size >= maxKnownHosts && !this.#heard.has(key)) return;
    const lastSeen = this.#options.wall();
    this.#heard.set(key, { address, linkLayerAddress: sourceMac, link: name, lastSeen });
  }
}
