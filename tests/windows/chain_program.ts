/**
 * The whole chain with Windows' code on the host, inside namespaces of its own (see chain_test.ts):
 * keepalived on two routers, the compiled Linux sender from notify_master, and on a host that ignores
 * gratuitous ARP the compiled service under Wine's service control manager. The address moves to r2,
 * which sends the signed request, and back to r1, which by then has another card and sends the 2009
 * datagram. The timeline goes to stdout; status 1 if the host didn't heal.
 */
import assert from "node:assert/strict";
import { messageOf } from "../../lib/errors.ts";
import { REG_SZ } from "../../lib/win32/advapi32.ts";
import { startKeepalived } from "../lab/keepalived.ts";
import * as network from "../lab/network.ts";
import type { Station } from "../lab/network.ts";
import { outcomeOf, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { compiled } from "./wine/executables.ts";
import {
  openWindowsHost,
  registryText,
  serviceName,
  testRouter,
  type WindowsHost,
} from "./wine/windows_host.ts";

const password = "TopSecret!";
const spareCard = "02:00:00:00:01:0b";
/** keepalived takes over after 3 s and a fraction; a slow machine may need longer. */
const takeoverMs = 20_000;
/** Far more than healing takes, far less than a stuck host would be. */
const healingMs = 15_000;

const start = performance.now();

function note(where: string, text: string): void {
  const seconds = ((performance.now() - start) / 1_000).toFixed(3).padStart(7);
  console.log(`${seconds} s  ${where.padEnd(4)} ${text}`);
}

/** Where the sender's report goes. */
const reportFile = "/run/lab/report/text";

/**
 * keepalived throws a script's output away, and the base runtime that can be had offline, 2.7.11, is
 * too old for --syslog: a script keeps the report.
 */
const notifyScript = `#!/bin/sh
/opt/arpflush/arpflush "$@" >${reportFile}.$$ 2>&1
mv ${reportFile}.$$ ${reportFile}
`;

/** What a router has: the sender, root's own; the key, the script user's own. */
async function makeRouters(): Promise<void> {
  const folder = await compiled("linux-x64");
  await Deno.mkdir("/run/lab");
  await run(["cp", "-a", "/etc", "/run/lab/etc"]);
  await run(["mount", "--bind", "/run/lab/etc", "/etc"]);
  const users = await Deno.readTextFile("/etc/passwd");
  if (!users.includes(`\n${network.scriptUser}:`)) {
    const user = `${network.scriptUser}:x:64123:64123::/nonexistent:/usr/sbin/nologin\n`;
    await Deno.writeTextFile("/etc/passwd", user, { append: true });
    await Deno.writeTextFile("/etc/group", `${network.scriptUser}:x:64123:\n`, { append: true });
  }
  await run(["mkdir", "-p", "/etc/arpflush"]);
  await Deno.writeTextFile("/etc/arpflush/key", `${testRouter.secretText}\n`);
  await Deno.chmod("/etc/arpflush/key", 0o400);
  await run(["chown", network.scriptUser, "/etc/arpflush/key"]);
  await run(["mkdir", "/run/lab/sender", "/run/lab/report"]);
  await run(["chown", network.scriptUser, "/run/lab/report"]);
  await run(["cp", `${folder}/arpflush`, "/run/lab/sender/arpflush"]);
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt"]);
  await run(["mkdir", "/opt/arpflush"]);
  await run(["cp", "/run/lab/sender/arpflush", "/opt/arpflush/arpflush"]);
  await Deno.writeTextFile("/opt/arpflush/notify", notifyScript);
  await Deno.chmod("/opt/arpflush/notify", 0o755);
}

/** A host that has a password beside its key, so that it heeds both datagrams. */
async function startWindowsHost(host: Station): Promise<WindowsHost> {
  await network.ignoreGratuitousArp(host);
  const windows = await openWindowsHost({ networkOf: host.namespace.pid });
  await windows.manager.run("setValue", "Password", REG_SZ, registryText(password));
  const { state, ms } = await windows.manager.state("start", serviceName);
  if (state !== "RUNNING") throw new Error(`The service is ${state}`);
  note("host", `service RUNNING after ${ms.toFixed(0)} ms`);
  return windows;
}

/** Whether the virtual address answers the host once, within 200 ms. */
async function answers({ namespace }: Station): Promise<boolean> {
  const ping = ["ping", "-c", "1", "-W", "0.2", "-q", network.virtualAddress];
  return (await outcomeOf([...namespace.argv, ...ping])).code === 0;
}

const nothing = "nothing";

/** The link-layer address that the host has for the virtual address. */
async function known({ namespace }: Station): Promise<string> {
  const shown = await ip(namespace, [`neigh show to ${network.virtualAddress} dev e0`]);
  return /lladdr (\S+)/.exec(shown)?.[1] ?? nothing;
}

const masters: string[] = [];

async function startRouter(
  router: Station,
  settings: { priority: number; notify: string },
): Promise<Station> {
  await startKeepalived(router, settings, (line) => {
    const state = /Entering (\w+) STATE/.exec(line)?.[1];
    if (state === undefined) return;
    note(router.name, `keepalived enters ${state}`);
    if (state === "MASTER") masters.push(router.name);
  });
  return router;
}

/** Takes the master away: the host has to have the other's link-layer address soon after. */
async function failOver(
  host: Station,
  master: Station,
  backup: Station,
  expected: string,
): Promise<void> {
  const before = await known(host);
  assert.notEqual(before, expected);
  note(master.name, "link down");
  const count = masters.length;
  await network.setLink(master, "down");
  await until(() => masters.length > count, `${backup.name} is master`, takeoverMs);
  let after = nothing;
  const isHealed = async () => {
    // A second flush, of what the next copy lists, may be taking the entry away again.
    if (await answers(host)) after = await known(host);
    return after !== nothing;
  };
  await until(isHealed, "the address answers the host", healingMs);
  note("host", `the address answers, at ${after} (before: ${before})`);
  assert.equal(after, expected);
}

/** The report of the signed request, which comes when all its copies have been sent. */
async function reportOf(atMostMs: number): Promise<string> {
  let text = "";
  const isThere = async () => {
    text = await Deno.readTextFile(reportFile).catch(() => "");
    return /\bhealed\b/.test(text);
  };
  await until(isThere, "the sender's report", atMostMs);
  return text;
}

async function runChain(): Promise<void> {
  await makeRouters();
  await network.openLinks();
  const host = await network.openStation(24, "host");
  await using windows = await startWindowsHost(host);
  const sender = "/opt/arpflush/notify -a";
  const r1 = await startRouter(await network.openStation(11, "r1"), {
    priority: 150,
    notify: `${sender} -P ${password}`,
  });
  const r2 = await startRouter(await network.openStation(12, "r2"), {
    priority: 100,
    notify: sender,
  });
  await until(() => masters.includes("r1"), "a first master", takeoverMs);
  await until(() => answers(host), "a first answer", healingMs);

  await failOver(host, r1, r2, r2.linkLayerAddress);
  const report = await reportOf(20_000);
  for (const line of report.trimEnd().split("\n")) console.log(`   r2's report  ${line}`);
  await network.replaceCard(r1, spareCard);
  await network.setLink(r1, "up");
  note("r1", `link up again, with a new card (${spareCard})`);
  await failOver(host, r2, r1, spareCard);

  for (const { id, text } of await windows.newEvents()) {
    console.log(`event ${id}: ${text.split("\r\n")[0]}`);
  }
  assert.ok(await network.ignoredArpPackets(host) > 0, "gratuitous ARP was sent, and ignored");
}

try {
  await runChain();
  Deno.exit(0);
} catch (error) {
  console.error(messageOf(error));
  Deno.exit(1);
}
