/** Where the compiled service listens, and who else does, under Wine. Needs root and wine/setup.sh. */
import assert from "node:assert/strict";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { denoExe, windowsPath } from "./wine/session.ts";
import { openWindowsHost, serviceName } from "./wine/windows_host.ts";

const PARAMCHANGE = 6;
const started = 1, reloaded = 3, listening = 32, portShared = 36, addressMissing = 37;

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
