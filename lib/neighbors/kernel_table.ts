/** The kernel's neighbor table through `ip`: one function for each thing asked of it. */
import { type AddressPrefix, formatAddress, formatPrefix } from "../wire/ip_address.ts";
import type { IpCommand } from "./ip_command.ts";
import { bailsOut, readFlushes } from "./flush_output.ts";
import { eexist, readIpResult, wasOvertaken } from "./ip_errors.ts";
import { type FlushScope, NeighborCacheError } from "./neighbor_cache.ts";
import { type KernelNeighbor, parseGateways, parseIpLine, parseNeighbors } from "./parse_ip.ts";

/** Where a neighbor is looked for. */
export interface NeighborTarget {
  /** A whole address. */
  readonly address: AddressPrefix;
  readonly interfaceName: string;
}

/** The table. Every method is one run of `ip` and rejects with a `NeighborCacheError`. */
export interface KernelTable {
  /** Every entry but those that need no resolution (NOARP: the kernel's own for multicast). */
  list(): Promise<KernelNeighbor[]>;
  /** Every entry, NOARP included. */
  listAll(): Promise<KernelNeighbor[]>;
  /**
   * Flushes; permanent and NOARP entries stay. Counts the entries that were there at its beginning
   * and that it removed, as far as nothing else removed entries at the same time.
   */
  flush(scope: FlushScope): Promise<number>;
  /** Drops the entries at these targets, but for permanent and NOARP ones; then as `listAll`. */
  forget(targets: readonly NeighborTarget[]): Promise<KernelNeighbor[]>;
  /**
   * Makes the kernel ask for neighbors it has no entry for (ARP, Neighbor Solicitation) and doesn't
   * wait for answers; then as `listAll`. If an entry came up meanwhile, targets behind it in the
   * list may be left out.
   */
  solicit(targets: readonly NeighborTarget[]): Promise<KernelNeighbor[]>;
  /** The default gateways, IPv4 first; two runs. */
  gateways(): Promise<AddressPrefix[]>;
}

const show = "neigh show";
const showAll = "neigh show nud all";
const eio = 5;
/** Runs of a flush that is overtaken each time; more than one is rare already. */
const attemptsMost = 10;

/** Names that the syntax of `ip -batch` takes as they are: no blank, quote, backslash or #. */
const plainName = /^[!$-&(-[\]-~]{1,15}$/;

/** Whether a name can be handed to `ip` in a batch. */
export function isPlainInterfaceName(name: string): boolean {
  return plainName.test(name);
}

/** The table as `ip` shows and changes it. */
export function createKernelTable(ip: IpCommand): KernelTable {
  /**
   * Runs a batch, and again while one of its flushes is overtaken; the lines of each run. `-force`:
   * a flush that bails out is done.
   */
  async function run(batch: readonly string[], option: string): Promise<string[][]> {
    const args = ["-force", option, "-batch", "-"];
    const outputs: string[][] = [];
    for (;;) {
      const { lines, failure } = readIpResult(await ip(args, `${batch.join("\n")}\n`));
      outputs.push(lines);
      if (failure === null) return outputs;
      if (!wasOvertaken(failure) || outputs.length === attemptsMost) throw failure;
    }
  }

  /** Runs a batch that shows the table once. */
  async function runAndList(batch: readonly string[]): Promise<KernelNeighbor[]> {
    const lines = (await run(batch, "-json")).at(-1) ?? [];
    const tables = lines.filter((line) => !bailsOut(line));
    if (tables.length !== 1) throw countError(`${tables.length} tables instead of 1`);
    return parseNeighbors(parseIpLine(tables[0]));
  }

  function runAndListAll(batch: readonly string[]): Promise<KernelNeighbor[]> {
    return runAndList([...batch, showAll]);
  }

  async function gatewaysOf(family: "-4" | "-6"): Promise<AddressPrefix[]> {
    const result = await ip([family, "-json", "route", "show", "default"], "");
    const { lines, failure } = readIpResult(result);
    if (failure !== null) throw failure;
    return lines.map(parseIpLine).flatMap(parseGateways);
  }

  return {
    list: () => runAndList([show]),
    listAll: () => runAndListAll([]),
    flush: async (scope) => {
      const places = scope === "all"
        ? ["all"]
        : scope.map((prefix) => `to ${formatPrefix(prefix)}`);
      const outputs = await run(places.map((place) => `neigh flush ${place}`), "-statistics");
      const counts = outputs.map(readFlushes);
      const ended = counts.at(-1)?.ended;
      if (ended !== places.length) throw countError(`${ended} flushes instead of ${places.length}`);
      return counts.reduce((sum, { removed }) => sum + removed, 0);
    },
    forget: (targets) => runAndListAll(targets.map((target) => `neigh flush to ${place(target)}`)),
    solicit: async (targets) => {
      // "add", because "replace … use" turns a permanent entry into an incomplete one; "nud none",
      // because "ip" asks for a permanent entry otherwise, which the kernel never collects.
      const batch = targets.map((target) => `neigh add ${place(target)} nud none use`);
      try {
        return await runAndListAll(batch);
      } catch (error) {
        if (!(error instanceof NeighborCacheError) || error.code !== eexist) throw error;
        return await runAndListAll([]);
      }
    },
    gateways: async () => {
      const [ipv4, ipv6] = await Promise.all([gatewaysOf("-4"), gatewaysOf("-6")]);
      return [...ipv4, ...ipv6];
    },
  };
}

function countError(what: string): NeighborCacheError {
  return new NeighborCacheError(`Cannot read the output of "ip": ${what}`, eio);
}

function place({ address, interfaceName }: NeighborTarget): string {
  return `${formatAddress(address)} dev ${interfaceName}`;
}
