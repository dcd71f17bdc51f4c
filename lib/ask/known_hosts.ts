/**
 * The file of hosts that were seen on this router's links, so that a router that was backup for weeks
 * knows whom to probe: a line for each, `192.0.2.7 02:00:00:00:00:07 eth0 2026-01-02T03:04:05Z`. Its
 * text is anybody's: what isn't such a line is left out.
 */
import { systemReason } from "../errors.ts";
import { updateFile } from "../files.ts";
import { contentLines } from "../text.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatLinkLayerAddress,
  parseAddress,
  parseLinkLayerAddress,
} from "../wire/addresses.ts";

/** A host on a link, and where it was. */
export interface KnownHost {
  readonly address: AddressPrefix;
  /** 12 hex digits. */
  readonly linkLayerAddress: string;
  /** The name of the interface. */
  readonly link: string;
  /** Unix time in ms. */
  readonly lastSeen: number;
}

/** Hosts that are kept: those seen last. */
export const maxKnownHosts = 4_096;
/** More than so many lines of the longest kind. */
const maxFileBytes = maxKnownHosts * 128;

/** The hosts in a file's text; never throws. */
export function parseKnownHosts(text: string): KnownHost[] {
  const hosts = contentLines(text).map(({ content }): KnownHost | null => {
    const [address, mac, link, time, ...more] = content.split(/\s+/);
    const parsed = parseAddress(address);
    const bytes = parseLinkLayerAddress(mac ?? "");
    const lastSeen = Date.parse(time ?? "");
    const isHost = parsed !== null && bytes !== null && (bytes[0] & 1) === 0 && more.length === 0 &&
      /^[\w.@-]{1,15}$/.test(link) && !Number.isNaN(lastSeen);
    return isHost ? { address: parsed, linkLayerAddress: bytes.toHex(), link, lastSeen } : null;
  }).filter((host) => host !== null);
  return latest(hosts);
}

/** One row for each address on a link, the one seen last; the latest `maxKnownHosts` of them. */
function latest(hosts: readonly KnownHost[]): KnownHost[] {
  const sorted = hosts.toSorted((a, b) => b.lastSeen - a.lastSeen);
  const seen = new Map<string, KnownHost>();
  for (const host of sorted) {
    const key = `${host.link} ${formatAddress(host.address)}`;
    if (!seen.has(key)) seen.set(key, host);
    if (seen.size === maxKnownHosts) break;
  }
  return [...seen.values()];
}

/** The text of a file with these hosts, those seen last first. */
export function formatKnownHosts(hosts: readonly KnownHost[]): string {
  return latest(hosts).map(({ address, linkLayerAddress, link, lastSeen }) =>
    [
      formatAddress(address),
      formatLinkLayerAddress(Uint8Array.fromHex(linkLayerAddress)),
      link,
      `${new Date(lastSeen).toISOString().slice(0, 19)}Z`,
    ].join(" ") + "\n"
  ).join("");
}

/** The hosts in a file: none if there is no file. Throws an Error of one line if it can't be read. */
export function readKnownHosts(path: string): KnownHost[] {
  const cannot = (reason: string) => new Error(`Cannot read known hosts from "${path}": ${reason}`);
  let size: number;
  try {
    const info = Deno.statSync(path);
    if (!info.isFile) throw new Error("it is not a regular file");
    size = info.size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw cannot(systemReason(error));
  }
  if (size > maxFileBytes) throw cannot(`it is larger than ${maxFileBytes / 1024} KiB`);
  try {
    return parseKnownHosts(Deno.readTextFileSync(path));
  } catch (error) {
    throw cannot(systemReason(error));
  }
}

/**
 * Adds hosts to a file, which is replaced as a whole; what other processes add meanwhile isn't lost.
 * Without the folder nothing is kept. Rejects with an Error of one line.
 */
export async function addKnownHosts(path: string, hosts: readonly KnownHost[]): Promise<void> {
  if (hosts.length === 0) return;
  try {
    await updateFile(path, (text) => formatKnownHosts([...hosts, ...parseKnownHosts(text)]));
  } catch (error) {
    // The folder is made with the daemon's unit: a router without it has nothing to remember in.
    if (error instanceof Deno.errors.NotFound) return;
    throw new Error(`Cannot write known hosts to "${path}": ${systemReason(error)}`);
  }
}
