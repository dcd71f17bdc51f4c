/** The neighbor cache of Windows, through iphlpapi.dll. */
import { type IpHelper, openIpHelper } from "../win32/iphlpapi.ts";
import { type NeighborCache, NeighborCacheError } from "./neighbor_cache.ts";
import { flushRows } from "./windows_flush.ts";
import { defaultGateways, readRoutes } from "./windows_links.ts";
import { createResolver, lookAt } from "./windows_resolve.ts";
import { readRows, toNeighbor } from "./windows_table.ts";
import { win32 } from "../win32/win32_error.ts";

/** What the cache is made of. */
export interface WindowsNeighborCacheOptions {
  /** The foreign functions. @default those of %SystemRoot%\System32\iphlpapi.dll */
  ip?: IpHelper;
  /** A clock in ms for durations. @default performance.now */
  now?: () => number;
  /** How long `resolve` waits for answers, in ms. @default 1000 */
  resolveMillis?: number;
}

/**
 * Opens the cache. Needs an elevated administrator for anything but looking, which each call then
 * says with error 5. Throws a NeighborCacheError when the DLL can't be opened.
 */
export function openWindowsNeighborCache(
  options: WindowsNeighborCacheOptions = {},
): NeighborCache {
  const { now = () => performance.now(), resolveMillis = 1000 } = options;
  const ip = options.ip ?? open();
  const resolve = createResolver(ip, resolveMillis);
  const flush = ip.hasFlushIpNetTable2 ? "FlushIpNetTable2" : "FlushIpNetTable";
  return {
    description: `iphlpapi.dll (${flush})`,
    list: () => attempt(() => readRows(ip).map(toNeighbor)),
    flush: (scope) => attempt(() => flushRows(ip, scope, now)),
    resolve: (addresses, source) => attempt(() => resolve(addresses, source)),
    look: (addresses, source) => attempt(() => lookAt(ip, addresses, source)),
    gateways: () => attempt(() => defaultGateways(readRoutes(ip))),
  };
}

function open(): IpHelper {
  try {
    return openIpHelper();
  } catch (error) {
    throw asCacheError(error);
  }
}

async function attempt<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw asCacheError(error);
  }
}

function asCacheError(error: unknown): NeighborCacheError {
  if (error instanceof NeighborCacheError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new NeighborCacheError(`Cannot use iphlpapi.dll: ${message}`, win32.procNotFound);
}
