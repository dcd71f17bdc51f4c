/**
 * Hosts that are known on a router's links, master or not: whoever broadcasts an ARP packet says where
 * it is. A router that was backup for weeks knows whom to probe then; its kernel knows hardly anybody.
 *
 * They are kept in a file, a line for each: `192.0.2.7 02:00:00:00:00:07 eth0 2026-01-02T03:04:05Z`.
 * Its text is anybody's: what isn't such a line is left out.
 */
import { messageOf, systemReason } from "../errors.ts";
import { readTail, updateFile } from "../files.ts";
import type { PacketSocket } from "../libc/packet_socket.ts";
import { contentLines } from "../text.ts";
import type { Clock } from "../time.ts";
import {
  formatAddress,
  formatLinkLayerAddress,
  type OwnInterface,
  parseAddress,
  parseLinkLayerAddress,
  prefixOf,
} from "../wire/addresses.ts";
import type { OpenSocket } from "./asker.ts";
import { arpFilterProgram } from "./filter.ts";
import { broadcastMac, readFrame } from "./frames.ts";
import { isOnLink } from "./questions.ts";
import type { Neighbor } from "./verdicts.ts";

/** A host on a link, and where it was. */
export interface KnownHost extends Neighbor {
  /** Unix time in ms. */
  readonly lastSeen: number;
}

/** Hosts that are kept: those seen last. */
const maxKnownHosts = 4_096;
/** More than so many lines of the longest kind. */
const maxFileBytes = maxKnownHosts * 128;

/** How often a daemon writes down whom it heard. */
const writeMs = 60_000;

/** What a daemon's memory works with. */
interface MemoryParts {
  /** The file of known hosts. */
  readonly path: string;
  readonly openSocket: OpenSocket;
  readonly interfaces: () => readonly OwnInterface[];
  readonly time: Clock;
  /** Called with what hinders writing, when that changes. */
  readonly warn: (line: string) => void;
}

/**
 * Listens for hosts, and writes them down once a minute. Its sockets fill in the kernel until somebody
 * looks: nothing wakes this process for them.
 */
export class HostMemory {
  readonly #parts: MemoryParts;
  readonly #sockets = new Map<string, PacketSocket>();
  readonly #heard = new Map<string, KnownHost>();
  #writtenAt: number;
  #writing = Promise.resolve();
  #said = "";
  #isClosed = false;

  constructor(parts: MemoryParts) {
    this.#parts = parts;
    this.#writtenAt = parts.time.monotonic();
  }

  /**
   * Takes in what has come since the last look, some 500 packets a link, and opens what there is to
   * open; a link that can't be heard is tried again. To be called about once a second.
   */
  look(): void {
    if (this.#isClosed) return;
    const interfaces = this.#parts.interfaces().filter(({ hasNeighbors }) => hasNeighbors);
    for (const [link, socket] of this.#sockets) {
      if (interfaces.some(({ name }) => name === link)) continue;
      this.#sockets.delete(link);
      void socket.close();
    }
    for (const own of interfaces) {
      const socket = this.#sockets.get(own.name) ?? this.#open(own.name);
      socket?.receive((frame) => this.#hear(own, frame));
    }
    if (this.#parts.time.monotonic() - this.#writtenAt >= writeMs) this.#writing = this.#write();
  }

  /** The hosts that were heard since they were written down. */
  heard(): KnownHost[] {
    return [...this.#heard.values()];
  }

  /** Ends, and writes down what is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#sockets.values()) void socket.close();
    await this.#writing;
    await this.#write();
  }

  async #write() {
    const hosts = this.heard();
    this.#heard.clear();
    this.#writtenAt = this.#parts.time.monotonic();
    const wrong = await addKnownHosts(this.#parts.path, hosts).then(() => "", messageOf);
    if (wrong !== "" && wrong !== this.#said) this.#parts.warn(wrong);
    this.#said = wrong;
  }

  #open(link: string): PacketSocket | null {
    try {
      const socket = this.#parts.openSocket(link, arpFilterProgram());
      this.#sockets.set(link, socket);
      return socket;
    } catch {
      return null;
    }
  }

  #hear(own: OwnInterface, frame: Uint8Array) {
    const heard = readFrame(frame);
    if (heard?.kind !== "arp request" && heard?.kind !== "arp reply") return;
    const { destinationMac, sourceMac, senderMac, from } = heard;
    // What is for another host says nothing to this one, and who speaks for others is no host.
    if (destinationMac !== broadcastMac || sourceMac !== senderMac) return;
    const address = prefixOf(4, 32, ...Uint8Array.fromHex(from));
    const key = `${own.name} ${from}`;
    const isFull = this.#heard.size >= maxKnownHosts && !this.#heard.has(key);
    if (isFull || !isOnLink(own, address)) return;
    const lastSeen = this.#parts.time.wall();
    this.#heard.set(key, { address, linkLayerAddress: sourceMac, link: own.name, lastSeen });
  }
}

/** The hosts in a file: none if there is no file. Rejects with an Error of one line. */
export async function readKnownHosts(path: string): Promise<KnownHost[]> {
  try {
    return latest(parse(await readTail(path, maxFileBytes) ?? ""));
  } catch (error) {
    throw new Error(`Cannot read known hosts from "${path}": ${systemReason(error)}`);
  }
}

/**
 * Adds hosts to a file, which is replaced as a whole; what other processes add meanwhile isn't lost.
 * Without the folder, or the right to write there, nothing is kept. Rejects with an Error of one line.
 */
export async function addKnownHosts(path: string, hosts: readonly KnownHost[]): Promise<void> {
  const { state } = Deno.permissions.querySync({ name: "write", path });
  if (hosts.length === 0 || state !== "granted") return;
  try {
    await updateFile(path, (text) => format([...hosts, ...parse(text)]));
  } catch (error) {
    // The folder is made with the daemon's unit: a router without it has nothing to remember in.
    if (error instanceof Deno.errors.NotFound) return;
    throw new Error(`Cannot write known hosts to "${path}": ${systemReason(error)}`);
  }
}

function parse(text: string): KnownHost[] {
  return contentLines(text).flatMap(({ content }) => {
    const [address, mac, link, time, ...more] = content.split(/\s+/);
    const parsed = parseAddress(address);
    const bytes = parseLinkLayerAddress(mac ?? "");
    const lastSeen = Date.parse(time ?? "");
    const isHost = parsed !== null && bytes !== null && (bytes[0] & 1) === 0 && more.length === 0 &&
      /^[\w.@-]{1,15}$/.test(link) && !Number.isNaN(lastSeen);
    return isHost ? [{ address: parsed, linkLayerAddress: bytes.toHex(), link, lastSeen }] : [];
  });
}

/** One row for each address on a link, as it was seen last; the latest `maxKnownHosts` of them. */
function latest(hosts: readonly KnownHost[]): KnownHost[] {
  const seen = new Map<string, KnownHost>();
  for (const host of hosts.toSorted((a, b) => b.lastSeen - a.lastSeen)) {
    const key = `${host.link} ${formatAddress(host.address)}`;
    if (!seen.has(key)) seen.set(key, host);
    if (seen.size === maxKnownHosts) break;
  }
  return [...seen.values()];
}

function format(hosts: readonly KnownHost[]): string {
  return latest(hosts).map(({ address, linkLayerAddress, link, lastSeen }) => {
    const mac = formatLinkLayerAddress(Uint8Array.fromHex(linkLayerAddress));
    const time = `${new Date(lastSeen).toISOString().slice(0, 19)}Z`;
    return `${formatAddress(address)} ${mac} ${link} ${time}\n`;
  }).join("");
}
