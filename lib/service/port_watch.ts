/**
 * Other processes that have the service's port open too. Windows lets any program bind a port that is
 * taken (SO_REUSEADDR), and doesn't say which of the sockets then gets a datagram.
 */
import type { Report } from "../log/events.ts";
import type { After } from "../time.ts";
import { type AddressPrefix, formatAddress, samePrefix } from "../wire/addresses.ts";

/** A UDP socket of some process. */
export interface PortOwner {
  readonly address: AddressPrefix;
  readonly pid: number;
}

/** The sockets that other processes have on a UDP port. Throws when they can't be read. */
export type ReadPortOwners = (port: number) => readonly PortOwner[];

/** Where the service listens. */
interface Place {
  readonly addresses: readonly AddressPrefix[];
  readonly port: number;
}

const periodMs = 60_000;

/** Whether a socket may be given datagrams that are meant for the other. */
function mayTake(their: AddressPrefix, own: AddressPrefix): boolean {
  const isAny = ({ bytes }: AddressPrefix) => !bytes.some(Boolean);
  // A socket on :: may hear IPv4 as well.
  if (their.family !== own.family) return their.family === 6 && isAny(their);
  return isAny(their) || isAny(own) || samePrefix(their, own);
}

/** A watch of the port. */
export interface PortWatch {
  /** Looks now: after a change of the place. */
  readonly look: () => void;
  readonly stop: () => void;
}

/** Looks now and once a minute, and reports each other process once as long as it has the port. */
export function watchPort(
  place: () => Place,
  readOwners: ReadPortOwners,
  report: Report,
  { after }: { readonly after: After },
): PortWatch {
  let known = new Set<string>();
  let cancelTimer = () => {};

  function look(): void {
    cancelTimer();
    cancelTimer = after(periodMs, look);
    const { addresses, port } = place();
    let owners: readonly PortOwner[];
    try {
      owners = readOwners(port);
    } catch {
      return; // The next look tries again.
    }
    const found = new Set<string>();
    for (const { address, pid } of owners) {
      if (!addresses.some((own) => mayTake(address, own))) continue;
      const text = formatAddress(address);
      const key = `${pid} ${port} ${text}`;
      if (!known.has(key) && !found.has(key)) report("portShared", { pid, port, address: text });
      found.add(key);
    }
    known = found;
  }

  look();
  return { look, stop: () => cancelTimer() };
}
