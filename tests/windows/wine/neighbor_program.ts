/**
 * A program for deno.exe: does one thing to the neighbor cache and prints the result as JSON.
 *
 *   description | list | gateways | flush [PREFIX …] | look ADDRESS … | resolve ADDRESS … | leaks COUNT
 */
import type { FoundNeighbor } from "../../../lib/neighbors/neighbor_cache.ts";
import { openWindowsNeighborCache } from "../../../lib/neighbors/windows.ts";
import { openIpHelper } from "../../../lib/win32/iphlpapi.ts";
import { AF_INET } from "../../../lib/win32/netioapi.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";

const [mode, ...args] = Deno.args;
const cache = openWindowsNeighborCache();
const prefixes = mode === "leaks" ? [] : args.map(parsePrefix);

function reportTexts(reports: readonly FoundNeighbor[]): string[] {
  return reports.map(({ state, linkLayerAddress }) => `${state} ${linkLayerAddress.toHex()}`);
}

/** Reads tables of the counting stand-in; how many were not freed, and how memory has grown. */
function measureLeaks(count: number): { live: number; grown: number } {
  const path = "Z:\\counting.dll";
  const ip = openIpHelper(path);
  const { LiveTables } =
    Deno.dlopen(path, { LiveTables: { parameters: [], result: "i32" } }).symbols;
  let before = 0;
  for (let i = 0; i < count; i++) {
    if (i === count / 10) before = Deno.memoryUsage().rss;
    if (ip.getIpNetTable2(AF_INET).rows.length !== 8) throw new Error("GetIpNetTable2 failed");
  }
  return { live: LiveTables(), grown: Deno.memoryUsage().rss - before };
}

async function perform(): Promise<unknown> {
  switch (mode) {
    case "list": {
      const list = await cache.list();
      return list.map(({ address, linkLayerAddress, permanent }) =>
        `${formatPrefix(address)} ${linkLayerAddress?.toHex() ?? "none"}${
          permanent ? " permanent" : ""
        }`
      );
    }
    case "description":
      return cache.description;
    case "gateways":
      return (await cache.gateways()).map(formatPrefix);
    case "flush":
      return await cache.flush(prefixes.length === 0 ? "all" : prefixes);
    case "look":
      return reportTexts(await cache.look(prefixes));
    case "resolve":
      return reportTexts(await cache.resolve(prefixes));
    case "leaks":
      return measureLeaks(Number(args[0]));
    default:
      throw new Error(`Unknown mode "${mode}"`);
  }
}

console.log(JSON.stringify(await perform()));
Deno.exit(0);
