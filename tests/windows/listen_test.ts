/** Where the compiled service listens, who else does, and changes of the network, under Wine. Needs root and wine/setup.sh. */
import assert from "node:assert/strict";
import { REG_DWORD } from "../../lib/win32/advapi32.ts";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { until } from "../support/command.ts";
import { denoExe, windowsPath } from "./wine/session.ts";
import { openWindowsHost, serviceName } from "./wine/windows_host.ts";

const PARAMCHANGE = 6;
const started = 1, reloaded = 3, flushed = 10;
const listening = 32, networkUnwatched = 34, portShared = 36, addressMissing = 37;

Deno.test("the service listens on each of its addresses, and obeys the host itself", async (t) => {
  await using host = await openWindowsHost();
  const { manager, session } = host;
  await host.setList("Listen", "192.0.2.5", "2001:db8::5", "2001:db8::66");
  // The tightest: one router, and no address of the host's own.
  await host.setList("AllowedSources", "203.0.113.1");
  await manager.state("start", serviceName);
  assert.match(
    (await host.event(addressMissing)).text,
    /^Cannot listen on 2001:db8::66 port 27735/,
  );
  assert.match(
    (await host.event(started)).text,
    /on 192\.0\.2\.5, 2001:db8::5, 2001:db8::66 port/,
  );

  await t.step("IPv4 and IPv6", async () => {
    assert.notEqual(await host.router("probe", "192.0.2.5"), null);
    assert.notEqual(await host.router("probe", "2001:db8::5"), null);
  });

  await t.step("an address that comes", async () => {
    await session.unix(["ip", "addr", "add", "2001:db8::66/64", "dev", "e0", "nodad"]);
    assert.match((await host.event(listening)).text, /^Listening on 2001:db8::66 port/);
    assert.notEqual(await host.router("probe", "2001:db8::66"), null);
  });

  await t.step("an address that goes and comes back", async () => {
    // Linux keeps a socket whose address has gone, Windows doesn't: it has to be another one.
    const socket = async () => {
      const { stdout } = await session.unix(["cat", "/proc/net/udp6"]);
      return stdout.split("\n").find((line) => line.includes("66000000:6C57"))?.trim().split(
        / +/,
      )[9];
    };
    const before = await socket();
    await session.unix(["ip", "addr", "del", "2001:db8::66/64", "dev", "e0"]);
    await session.unix(["ip", "addr", "add", "2001:db8::66/64", "dev", "e0", "nodad"]);
    await until(
      async () => ![undefined, before].includes(await socket()),
      "another socket",
      10_000,
    );
    assert.notEqual(await host.router("probe", "2001:db8::66"), null);
  });

  await t.step(
    "a link-local sender, whose link the runtime doesn't say, is answered on it",
    async () => {
      // Another link, which the kernel prefers for what names none.
      const ip = (words: string) => session.unix(["ip", ...words.split(" ")]);
      await ip("link add d0 type veth peer name d1");
      for (const link of ["d0", "d1"]) await ip(`link set ${link} up`);
      await until(
        async () => (await ip("-6 route show fe80::/64")).stdout.includes("d0"),
        "a link",
        10_000,
      );
      await ip("-6 route del fe80::/64 dev e0");
      await ip("-6 route add fe80::/64 dev e0 proto kernel metric 257");
      await host.setList("Listen", "::");
      await host.setList("AllowedSources", "fe80::/10");
      await manager.run("control", serviceName, PARAMCHANGE);
      await host.event(reloaded);
      const [service, sender] = ["fe80::ff:fe00:5%e1", "fe80::ff:fe00:1%e1"];
      assert.notEqual(await host.neighbor("probe", service, sender), null);
    },
  );

  await t.step("another process on the port is said with its number", async () => {
    // Wine knows no two IPv4 sockets on a port, and the kernel none that share it: one at :: it is.
    const options =
      `{ transport: "udp", hostname: "::", port: ${defaultPort}, reuseAddress: true }`;
    const program =
      `Deno.listenDatagram(${options}); console.log(Deno.pid); setTimeout(() => {}, 1e6)`;
    await Deno.writeTextFile(`${session.shared}/second.ts`, program);
    await host.setList("Listen", "0.0.0.0");
    await manager.run("control", serviceName, PARAMCHANGE);
    await host.event(reloaded);
    const line = [
      "run",
      "-q",
      "-A",
      "--no-config",
      "--unstable-net",
      windowsPath("/shared/second.ts"),
    ];
    const second = session.startWine([denoExe, ...line]);
    const reader = second.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const pid = (await reader.read()).value?.trim();
    assert.match(pid ?? "", /^\d+$/);
    await manager.run("control", serviceName, PARAMCHANGE);
    await host.event(reloaded);
    assert.ok(
      (await host.event(portShared)).text.startsWith(`Process ${pid} has port 27735 open on`),
    );
    await reader.cancel();
    await second.stderr.cancel();
  });
  await manager.state("stop", serviceName);
});

Deno.test("the service flushes an interface that gets an address, at once and once a hold-down", async () => {
  await using host = await openWindowsHost();
  const { manager, session } = host;
  const ip = (...words: string[]) => session.unix(["ip", ...words]);
  await manager.run("setValue", "HoldDownSeconds", REG_DWORD, [2, 0, 0, 0]);
  await manager.state("start", serviceName);
  await host.event(started);
  const stale = ["lladdr", "02:00:00:00:00:aa", "dev", "e0", "nud", "stale"];
  await ip("neigh", "replace", "192.0.2.77", ...stale);

  // Windows is told of this, and it is none of its business.
  await ip("link", "set", "e0", "mtu", "1400");
  const start = performance.now();
  for (let i = 0; i < 40; i++) {
    await ip("neigh", "replace", "192.0.2.78", ...stale);
    await ip("addr", "add", `192.0.2.${150 + i}/24`, "dev", "e0");
    await ip("addr", "del", `192.0.2.${150 + i}/24`, "dev", "e0");
  }
  const stormMs = performance.now() - start;
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const events = await host.newEvents();
  assert.ok(!events.some(({ id }) => id === networkUnwatched));
  const flushes = events.filter(({ id }) => id === flushed).map(({ text }) => text);
  assert.match(flushes[0] ?? "", /^Flushed 192\.0\.2\.7\d.* for a change of interface \d+/);
  assert.ok(flushes.length >= 2 && flushes.length <= 2 + stormMs / 2_000, `${stormMs}: ${flushes}`);
  await manager.state("stop", serviceName);
});
