/**
 * The lab's own file tree, in its private mount namespace: everything here is gone with the lab.
 * Routers and hosts share it; it is what an administrator's machine has after INSTALL.txt.
 */
import { run } from "../support/command.ts";
import { scriptUser } from "./keepalived.ts";

/** Programs of the lab that run in stations, copied because the tree may hide the checkout. */
export const programs = { echo: "/run/lab/echo.ts", prober: "/run/lab/prober.ts" } as const;
/** The Deno that runs them. */
export const deno = "/opt/arpflush/deno";
/** What /dev/log leads to under systemd. */
const systemLog = "/run/systemd/journal/dev-log";

/**
 * Makes the tree. /run must be private and empty, and the working directory the project's root,
 * with dist/arpflush packed.
 */
export async function makeMachine(): Promise<void> {
  const echo = await Deno.readTextFile(new URL("echo.ts", import.meta.url));
  const prober = await Deno.readTextFile(new URL("prober.ts", import.meta.url));
  for (const folder of ["/run/lab", "/run/systemd/journal"]) {
    await Deno.mkdir(folder, { recursive: true });
  }
  await Deno.writeTextFile(programs.echo, echo);
  await Deno.writeTextFile(programs.prober, prober);
  await makeEtc();
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt"]);
  // A relative path: the working directory stays reachable even if /opt hides it.
  await run(["cp", "-r", "dist/arpflush", "/opt/"]);
  await run(["chown", "-R", "root:root", "/opt/arpflush"]);
  await makeKey();
}

/** A private /etc with keepalived's script user in it and no settings of ours. */
async function makeEtc(): Promise<void> {
  await run(["cp", "-a", "/etc", "/run/lab/etc"]);
  await run(["rm", "-rf", "/run/lab/etc/arpflush"]);
  await run(["mount", "--bind", "/run/lab/etc", "/etc"]);
  const users = await Deno.readTextFile("/etc/passwd");
  if (users.split("\n").some((line) => line.startsWith(`${scriptUser}:`))) return;
  const id = 64123;
  const user = `${scriptUser}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin\n`;
  await Deno.writeTextFile("/etc/passwd", user, { append: true });
  await Deno.writeTextFile("/etc/group", `${scriptUser}:x:${id}:\n`, { append: true });
}

/** The key that senders and services share, readable by the script user (and by root) alone. */
async function makeKey(): Promise<void> {
  await Deno.mkdir("/etc/arpflush", { mode: 0o755 });
  await Deno.writeTextFile("/etc/arpflush/key", await run(["/opt/arpflush/arpflush", "--keygen"]));
  await Deno.chmod("/etc/arpflush/key", 0o400);
  await run(["chown", scriptUser, "/etc/arpflush/key"]);
}

/** A system log: a real datagram socket; `onMessage` gets each message as it was sent. */
export async function openSystemLog(onMessage: (message: string) => void): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: systemLog });
  await Deno.chmod(systemLog, 0o666);
  readMessages(socket, (bytes) => onMessage(new TextDecoder().decode(bytes)));
}

/** Hands each datagram of a socket to `onMessage`, as long as the lab lives. */
export async function readMessages(
  socket: Deno.DatagramConn,
  onMessage: (bytes: Uint8Array, from: Deno.Addr) => void,
): Promise<never> {
  for (;;) onMessage(...await socket.receive());
}
