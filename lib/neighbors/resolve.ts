/** Resolving neighbors anew on Linux: forget, solicit, look until all is known or time is over. */
import { samePrefix } from "../wire/ip_address.ts";
import type { KernelTable, NeighborTarget } from "./kernel_table.ts";
import type { KernelNeighbor } from "./parse_ip.ts";

/** How long it may take, and the clock it is measured by. */
export interface ResolveOptions {
  /** @default 1000 */
  readonly timeoutMs?: number;
  /** Monotonic, in ms. @default performance.now */
  readonly now?: () => number;
  /** @default a timer */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** What resolving needs of the table. */
export type ResolvableTable = Pick<KernelTable, "forget" | "solicit" | "listAll">;

const firstWaitMs = 10;
const longestWaitMs = 160;

/**
 * The table after each target was resolved anew, or as far as that came within the time. Entries are
 * dropped first: a stale one would be used, and probed, for seconds before the kernel asks again.
 * What has a link-layer address afterwards was therefore learned meanwhile. A flush by somebody else
 * in between only costs time: what is missing is asked for again.
 */
export async function resolveAnew(
  table: ResolvableTable,
  targets: readonly NeighborTarget[],
  options: ResolveOptions = {},
): Promise<KernelNeighbor[]> {
  const {
    timeoutMs = 1000,
    now = () => performance.now(),
    sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  } = options;
  const end = now() + timeoutMs;
  let neighbors = await table.forget(targets);
  for (let wait = firstWaitMs;; wait = Math.min(2 * wait, longestWaitMs)) {
    const missing = targets.filter((target) => entryAt(neighbors, target) === undefined);
    if (missing.length > 0) neighbors = await table.solicit(missing);
    const left = end - now();
    if (left <= 0 || targets.every((target) => isSettled(entryAt(neighbors, target)))) {
      return neighbors;
    }
    await sleep(Math.min(wait, left));
    neighbors = await table.listAll();
  }
}

/** The entry of a target, if there is one. */
export function entryAt(
  neighbors: readonly KernelNeighbor[],
  { address, interfaceName }: NeighborTarget,
): KernelNeighbor | undefined {
  return neighbors.find((neighbor) =>
    neighbor.device === interfaceName && samePrefix(neighbor.address, address)
  );
}

/** Whether waiting can't change the answer: there is one, or the kernel has given up. */
function isSettled(entry: KernelNeighbor | undefined): boolean {
  if (entry === undefined) return false;
  return entry.linkLayerAddress !== null || entry.state === "FAILED" || isPermanent(entry);
}

/** Whether an administrator set the entry, so that a flush leaves it alone. */
export function isPermanent(entry: KernelNeighbor): boolean {
  return entry.state === "PERMANENT" || entry.state === "NOARP";
}
