/** Where the service listens: addresses, the wait for a port, and who else has the port open. */
import type { Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { type After, sleep, type Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  isLoopback,
  parsePrefix,
  samePrefix,
} from "../wire/addresses.ts";

/** Addresses as texts, and a port of theirs. */
interface Place {
  readonly addresses: readonly string[];
  readonly port: number;
}

const isAny = ({ bytes }: AddressPrefix) => !bytes.some(Boolean);

/** Where only datagrams to the very address arrive: Linux keeps broadcasts from such sockets. */
export function deafToBroadcasts({ Listen }: Settings, os = Deno.build.os): string[] {
  if (os !== "linux") return [];
  return Listen.filter((address) => !isLoopback(address) && !isAny(address)).map(formatAddress);
}

/**
 * What sockets are opened at: on Linux one at `::` hears IPv4 as well, and excludes one for that; with
 * net.ipv6.bindv6only it doesn't, and IPv4 gets one of its own.
 */
export function listenAddresses({ Listen }: Settings): string[] {
  const texts = Listen.map(formatAddress);
  if (Deno.build.os !== "linux" || !texts.includes("::")) return texts;
  return [...texts.filter((text) => text.includes(":")), ...isIpv6Alone() ? ["0.0.0.0"] : []];
}

/** Whether a socket at `::` leaves its port to IPv4. */
function isIpv6Alone(): boolean {
  const transport = "udp";
  let six: Deno.DatagramConn | undefined;
  try {
    six = Deno.listenDatagram({ transport, hostname: "::", port: 0 });
    const { port } = six.addr as Deno.NetAddr;
    Deno.listenDatagram({ transport, hostname: "0.0.0.0", port }).close();
    return true;
  } catch {
    return false;
  } finally {
    six?.close();
  }
}

/** At boot a port may still be taken and an address not assigned yet: tried again that long. */
const maxListenWaitMs = 20_000;
const listenRetryMs = 500;

/**
 * What `open` returns as soon as it can listen at a place. Rejects with its error after 20 s, when the
 * signal is aborted, and at once for an error that doesn't pass.
 */
export async function openWhenFree<Opened>(
  open: () => Opened,
  { addresses, port }: Place,
  report: Report,
  time: Time,
  signal?: AbortSignal,
): Promise<Opened> {
  const until = time.monotonic() + maxListenWaitMs;
  for (let tries = 1;; tries++) {
    try {
      return open();
    } catch (error) {
      // Windows says "permission denied" (WSAEACCES) of a port that another account holds.
      const mayPass = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.PermissionDenied ||
        error instanceof Deno.errors.AddrNotAvailable;
      if (!mayPass || signal?.aborted || time.monotonic() + listenRetryMs > until) throw error;
      if (tries === 1) {
        report("listenWaiting", {
          address: addresses.join(", "),
          port,
          error: systemReason(error),
          seconds: maxListenWaitMs / 1_000,
        });
      }
      await sleep(time.after, listenRetryMs, signal);
    }
  }
}

/** A UDP socket of some process. */
interface PortOwner {
  readonly address: AddressPrefix;
  readonly pid: number;
}

/** The sockets that other processes have on a UDP port. Throws when they can't be read. */
export type ReadPortOwners = (port: number) => readonly PortOwner[];

const portWatchPeriodMs = 60_000;

/**
 * Whether a socket may be given datagrams that are meant for the other. Windows lets any program bind a
 * port that is taken (SO_REUSEADDR), and doesn't say which of the sockets then gets a datagram.
 */
function mayTake(their: AddressPrefix, own: AddressPrefix): boolean {
  // A socket on :: may hear IPv4 as well.
  if (their.family !== own.family) return their.family === 6 && isAny(their);
  return isAny(their) || isAny(own) || samePrefix(their, own);
}

/**
 * Looks now and once a minute for other processes that have the port open too, and reports each once
 * as long as it has. `look` looks at once, after a change of the place.
 */
export function watchPort(
  place: Place,
  readOwners: ReadPortOwners,
  report: Report,
  { after }: { readonly after: After },
) {
  let known = new Set<string>();
  let cancelTimer = () => {};

  function look(): void {
    cancelTimer();
    cancelTimer = after(portWatchPeriodMs, look);
    const { addresses, port } = place;
    let owners: readonly PortOwner[];
    try {
      owners = readOwners(port);
    } catch {
      return; // The next look tries again.
    }
    const own = addresses.map(parsePrefix);
    const found = new Set<string>();
    for (const { address, pid } of owners) {
      if (!own.some((one) => mayTake(address, one))) continue;
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
