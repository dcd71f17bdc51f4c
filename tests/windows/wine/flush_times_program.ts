/**
 * A program for deno.exe: for each line on its standard input flushes once, and prints the ms that
 * took. "arpflush": as the service does. "alone": FlushIpNetTable2 and nothing else. "calls": the same
 * between two of GetIpNetTable2 whose tables nobody reads.
 */
import { openWindowsNeighborCache } from "../../../lib/neighbors/windows.ts";
import { openIpHelper } from "../../../lib/win32/iphlpapi.ts";
import { systemDll } from "../../../lib/win32/kernel32.ts";
import { AF_UNSPEC } from "../../../lib/win32/netioapi.ts";
import { linesOf } from "../../support/command.ts";

const cache = openWindowsNeighborCache();
const ip = openIpHelper();
const { GetIpNetTable2, FreeMibTable } = Deno.dlopen(systemDll("iphlpapi.dll"), {
  GetIpNetTable2: { parameters: ["u16", "buffer"], result: "u32" },
  FreeMibTable: { parameters: ["u64"], result: "void" },
}).symbols;

async function flushAlone(): Promise<void> {
  const code = await ip.flushIpNetTable2(AF_UNSPEC, 0);
  if (code !== 0) throw new Error(`FlushIpNetTable2 returned ${code}`);
}

function takeTable(): void {
  const address = new BigUint64Array(1);
  const code = GetIpNetTable2(AF_UNSPEC, address);
  if (code !== 0) throw new Error(`GetIpNetTable2 returned ${code}`);
  FreeMibTable(address[0]);
}

async function flushByCalls(): Promise<void> {
  takeTable();
  await flushAlone();
  takeTable();
}

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  arpflush: () => cache.flush("all"),
  alone: flushAlone,
  calls: flushByCalls,
};

console.log("ready");
for await (const line of linesOf(Deno.stdin.readable)) {
  const start = performance.now();
  await ways[line.trim()]();
  console.log(performance.now() - start);
}
