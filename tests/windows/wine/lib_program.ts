/**
 * A program for deno.exe: does one thing with the libraries of Windows and prints the result as JSON.
 *
 *   description | list | gateways | flush [PREFIX …] | look ADDRESS … | resolve ADDRESS … | readings | leaks COUNT |
 *   speed COUNT    the neighbor cache
 *   host-key       makes a host's key in the registry twice: what is there before, then, why not again, and
 *                  whose account this is
 *   version FILE … what version.dll reads of executables' version resources
 */
import { messageOf } from "../../../lib/errors.ts";
import type { FoundNeighbor } from "../../../lib/neighbors/neighbor_cache.ts";
import { openWindowsNeighborCache } from "../../../lib/neighbors/windows.ts";
import { createHostKeyRegistry } from "../../../lib/service/windows_program.ts";
import { ownSid } from "../../../lib/win32/aclapi.ts";
import { openIpHelper } from "../../../lib/win32/iphlpapi.ts";
import { copyMemory, fromWide, systemDll, toWide } from "../../../lib/win32/kernel32.ts";
import { AF_INET, AF_UNSPEC, NlnsPermanent } from "../../../lib/win32/netioapi.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { median } from "../../measure/statistics.ts";

const [mode, ...args] = Deno.args;
const cache = openWindowsNeighborCache();
const prefixes = /^(flush|look|resolve)$/.test(mode) ? args.map(parsePrefix) : [];

function reportTexts(reports: readonly FoundNeighbor[]): string[] {
  return reports.map(({ state, linkLayerAddress }) => `${state} ${linkLayerAddress.toHex()}`);
}

/** Reads tables of the counting stand-in: how many were not freed, how memory has grown, what else it gave. */
function measureLeaks(count: number) {
  const path = "Z:\\counting.dll";
  const ip = openIpHelper(path);
  const { LiveTables } =
    Deno.dlopen(path, { LiveTables: { parameters: [], result: "i32" } }).symbols;
  let before = 0;
  for (let i = 0; i < count; i++) {
    if (i === count / 10) before = Deno.memoryUsage().rss;
    if (ip.getIpNetTable2(AF_INET).rows.length !== 8) throw new Error("GetIpNetTable2 failed");
  }
  const grown = Deno.memoryUsage().rss - before;
  const [routes, addresses] = [
    ip.getIpForwardTable2(AF_INET),
    ip.getUnicastIpAddressTable(AF_INET),
  ];
  const sockets = ip.getExtendedUdpTable(AF_INET).rows.length;
  return { live: LiveTables(), grown, routes, addresses, sockets };
}

/** IPv4 rows that lead somewhere: read by Wine's own call, and by the stand-in's. */
function readBoth(): string[][] {
  const ip = openIpHelper();
  return [AF_INET, AF_UNSPEC].map((family) =>
    ip.getIpNetTable2(family).rows
      .filter(({ address, physicalAddress }) =>
        address.family === 4 && physicalAddress.some(Boolean)
      )
      .map((row) =>
        [
          formatPrefix(row.address),
          row.interfaceIndex,
          row.interfaceLuid,
          row.physicalAddress.toHex(),
          row.state === NlnsPermanent, // Wine knows no other state of IPv4 rows.
        ].join(" ")
      ).sort()
  );
}

/** Median ms of a flush of everything, and of the calls alone that it can't do without. */
async function measureFlushes(count: number): Promise<{ flush: number; calls: number }> {
  const ip = openIpHelper();
  const times = { flush: [] as number[], calls: [] as number[] };
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await cache.flush("all");
    const between = performance.now();
    // The table before and after: what a flush took is put back or reported.
    ip.getIpNetTable2(AF_UNSPEC);
    ip.flushIpNetTable2(AF_UNSPEC);
    ip.getIpNetTable2(AF_UNSPEC);
    times.flush.push(between - start);
    times.calls.push(performance.now() - between);
  }
  return { flush: median(times.flush), calls: median(times.calls) };
}

function makeHostKeyTwice(): unknown {
  const store = createHostKeyRegistry();
  const before = store.read();
  const seed = new Uint8Array(32).fill(7);
  store.write(seed);
  try {
    store.write(seed);
    return "made twice";
  } catch (error) {
    return { before, kept: store.read()?.toHex(), again: messageOf(error), own: ownSid() };
  }
}

function versionDetails(path: string): Record<string, string> {
  const { symbols: version } = Deno.dlopen(systemDll("version.dll"), {
    GetFileVersionInfoSizeW: { parameters: ["buffer", "buffer"], result: "u32" },
    GetFileVersionInfoW: { parameters: ["buffer", "u32", "u32", "buffer"], result: "i32" },
    VerQueryValueW: { parameters: ["buffer", "buffer", "buffer", "buffer"], result: "i32" },
  });
  const name = toWide(path);
  const info = new Uint8Array(version.GetFileVersionInfoSizeW(name, new Uint32Array(1)));
  if (version.GetFileVersionInfoW(name, 0, info.length, info) === 0) throw new Error(path);
  const read = (key: string) => {
    const [address, length] = [new BigUint64Array(1), new Uint32Array(1)];
    // English (United States), UTF-16.
    const block = toWide(`\\StringFileInfo\\040904b0\\${key}`);
    if (version.VerQueryValueW(info, block, address, length) === 0) return "";
    return fromWide(new Uint16Array(copyMemory(address[0], 2 * length[0]).buffer));
  };
  const keys = ["FileDescription", "FileVersion", "ProductName", "CompanyName", "OriginalFilename"];
  return Object.fromEntries(keys.map((key) => [key, read(key)]));
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
    case "readings":
      return readBoth();
    case "speed":
      return await measureFlushes(Number(args[0]));
    case "leaks":
      return measureLeaks(Number(args[0]));
    case "host-key":
      return makeHostKeyTwice();
    case "version":
      return args.map(versionDetails);
    default:
      throw new Error(`Unknown mode "${mode}"`);
  }
}

console.log(JSON.stringify(await perform()));
Deno.exit(0);
