/**
 * What lib does with Windows' libraries, by deno.exe under Wine: the neighbor cache on the Linux kernel's
 * real table, which the stand-in reads and changes; the host's key in Wine's registry. Needs root and
 * wine/setup.sh.
 */
import assert from "node:assert/strict";
import * as structures from "../../lib/win32/structures.ts";
import { placeStandIn } from "./wine/windows_host.ts";
import {
  openWineSession,
  runLibProgram as perform,
  windowsPath,
  type WineSession,
} from "./wine/session.ts";

const nothing = "000000000000";

async function unix(session: WineSession, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await session.unix(command);
  assert.equal(code, 0, `${command.join(" ")}: ${stderr}`);
  return stdout;
}

/** What the kernel says of an address. */
async function kernelRow(session: WineSession, address: string): Promise<string> {
  return (await unix(session, "ip", "neigh", "show", "to", address, "dev", "e0")).trim();
}

/** Entries as a flush finds them: two stale ones at wrong addresses, one of each family, and more. */
async function fillTable(session: WineSession): Promise<void> {
  for (const address of ["192.0.2.1", "2001:db8::1", "192.0.2.77"]) {
    const wrong = ["lladdr", "02:00:00:00:00:aa", "dev", "e0", "nud", "stale"];
    await unix(session, "ip", "neigh", "replace", address, ...wrong);
  }
  const fixed = ["lladdr", "02:00:00:00:00:09", "dev", "e0", "nud", "permanent"];
  await unix(session, "ip", "neigh", "replace", "192.0.2.9", ...fixed);
}

function removedOf(outcome: unknown): number {
  assert.ok(typeof outcome === "object" && outcome !== null && "removed" in outcome);
  return Number(outcome.removed);
}

Deno.test("the structures are those of the headers, as a compiler sees them", async () => {
  await using session = await openWineSession();
  const source = "/checkout/tests/windows/standin/layout.c";
  const gcc = ["x86_64-w64-mingw32-gcc", "-D_WIN32_WINNT=0x0601"];
  await unix(session, ...gcc, "-o", "/layout.exe", source);
  const { stdout } = await session.wine([windowsPath("/layout.exe")]);
  assert.deepEqual(JSON.parse(stdout), { ...structures });
});

Deno.test("the cache works on the kernel's real table through the stand-in", async (t) => {
  await using session = await openWineSession();
  await placeStandIn(session);

  await t.step("list() and gateways() show both families", async () => {
    await fillTable(session);
    const list = await perform(session, "list");
    assert.ok(Array.isArray(list));
    for (
      const line of [
        "192.0.2.1 0200000000aa",
        "2001:db8::1 0200000000aa",
        "192.0.2.9 020000000009 permanent",
      ]
    ) assert.ok(list.includes(line), `${line} in ${list.join(", ")}`);
    assert.ok((await gatewaysOf(session)).includes("192.0.2.1"));
  });

  await t.step("the stand-in reads what Wine's own call reads", async () => {
    const readings = await perform(session, "readings");
    assert.ok(Array.isArray(readings) && readings[0].length >= 3);
    assert.deepEqual(readings[1], readings[0]);
  });

  await t.step("flush() of listed addresses leaves the others", async () => {
    assert.equal(removedOf(await perform(session, "flush", "192.0.2.77", "2001:db8::/64")), 2);
    assert.equal(await kernelRow(session, "192.0.2.77"), "");
    assert.match(await kernelRow(session, "192.0.2.1"), /02:00:00:00:00:aa/);
  });

  await t.step("look() reports and changes nothing", async () => {
    await fillTable(session);
    const addresses = ["192.0.2.1", "192.0.2.9", "192.0.2.200", "198.51.100.1", "192.0.2.5"];
    assert.deepEqual(await perform(session, "look", ...addresses), [
      "neighbor 0200000000aa",
      "permanent 020000000009",
      `no neighbor ${nothing}`,
      `not concerned ${nothing}`,
      `not concerned ${nothing}`,
    ]);
  });

  await t.step(
    "flush() of everything takes both families and leaves permanent entries",
    async () => {
      assert.ok(removedOf(await perform(session, "flush")) >= 3);
      for (const address of ["192.0.2.1", "2001:db8::1", "192.0.2.77"]) {
        assert.doesNotMatch(await kernelRow(session, address), /lladdr/);
      }
      assert.match(await kernelRow(session, "192.0.2.9"), /02:00:00:00:00:09 PERMANENT/);
    },
  );

  await t.step("flush() does the same where FlushIpNetTable2 isn't exported", async () => {
    await fillTable(session);
    await placeStandIn(session, "FlushIpNetTable2");
    const outcome = await perform(session, "flush");
    assert.ok(removedOf(outcome) >= 3);
    for (const address of ["192.0.2.1", "2001:db8::1", "192.0.2.77"]) {
      assert.doesNotMatch(await kernelRow(session, address), /lladdr/);
    }
    assert.match(await kernelRow(session, "192.0.2.9"), /02:00:00:00:00:09 PERMANENT/);
    assert.equal(await perform(session, "description"), "iphlpapi.dll (FlushIpNetTable)");
    await placeStandIn(session);
    assert.equal(await perform(session, "description"), "iphlpapi.dll (FlushIpNetTable2)");
  });

  await t.step("flush() takes little more than the calls that it can't do without", async () => {
    await fillTable(session);
    const times = await perform(session, "speed", "200");
    assert.ok(typeof times === "object" && times !== null && "flush" in times && "calls" in times);
    const [flush, calls] = [Number(times.flush), Number(times.calls)];
    console.log(
      `a flush under Wine ${flush.toFixed(2)} ms, its calls alone ${calls.toFixed(2)} ms`,
    );
    assert.ok(flush < 1.5 * calls + 0.5, `${flush} ms, calls ${calls} ms`);
  });

  await t.step("resolve() asks the link, which answers", async () => {
    await fillTable(session);
    const linkLocal = "fe80::ff:fe00:1";
    const addresses = ["192.0.2.1", "2001:db8::1", linkLocal, "192.0.2.9", "192.0.2.200"];
    assert.deepEqual(await perform(session, "resolve", ...addresses), [
      "neighbor 020000000001",
      "neighbor 020000000001",
      "neighbor 020000000001",
      "permanent 020000000009",
      `no neighbor ${nothing}`,
    ]);
  });
});

async function gatewaysOf(session: WineSession): Promise<unknown[]> {
  const gateways = await perform(session, "gateways");
  assert.ok(Array.isArray(gateways));
  return gateways;
}

Deno.test("100,000 tables read leave none behind; one may be empty, or want a larger buffer", async () => {
  await using session = await openWineSession();
  const source = "/checkout/tests/windows/standin/counting.c";
  const gcc = ["x86_64-w64-mingw32-gcc", "-shared", "-O2", "-Wl,--export-all-symbols"];
  await unix(session, ...gcc, "-o", "/counting.dll", source);
  const measured = await perform(session, "leaks", "100000");
  assert.ok(typeof measured === "object" && measured !== null && "grown" in measured);
  const { grown, ...others } = measured;
  assert.deepEqual(others, {
    live: 0,
    routes: { code: 0, rows: [] },
    addresses: { code: 50, rows: [] },
    sockets: 1,
  });
  // 90,000 tables of 712 bytes would be 64 MB.
  assert.ok(Number(grown) < 30e6, `resident memory grew by ${grown} bytes`);
});

// Wine keeps no access rights of keys: the calls are right, what Windows makes of them is not said.
Deno.test("createHostKeyRegistry() makes a key once, and reads what it has kept", async () => {
  await using session = await openWineSession();
  const place = "HKLM\\SOFTWARE\\NPSL\\ArpFlush\\HostKey";
  assert.deepEqual(await perform(session, "host-key"), {
    before: null,
    kept: "07".repeat(32),
    again: `Cannot write host key ${place}: it is there already`,
    own: "S-1-5-21-0-0-0-1000", // Wine's only account.
  });
});
