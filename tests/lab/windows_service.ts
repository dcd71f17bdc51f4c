/**
 * The service of a host of the lab as Windows has it: the compiled executable under Wine's service
 * control manager, on the Linux kernel's table through the stand-in of tests/windows/standin.
 */
import { createEventParser } from "../windows/wine/event_log.ts";
import { compiled } from "../windows/wine/executables.ts";
import { wineLack } from "../windows/wine/lack.ts";
import { checkoutPath } from "../windows/wine/paths.ts";
import { openWindowsHost, serviceName } from "../windows/wine/windows_host.ts";
import { type OnLine, start } from "./processes.ts";
import type { ConnectedStation } from "./segment.ts";

/** What the machine lacks for it, in words, or null. */
export async function windowsLack(): Promise<string | null> {
  // Wine gets the checkout by its path, and the lab has an /opt of its own.
  if (checkoutPath.startsWith("/opt/")) return "a checkout outside of /opt";
  return await wineLack();
}

/** Compiles what the lab, without a network, can't. */
export async function prepareWindows(): Promise<void> {
  await compiled("windows-x64");
}

/**
 * Starts Wine in the host's network, and the service with the lab's key and default settings; says
 * each event. Resolves when the service is RUNNING. All of it ends with the lab.
 */
export async function startWindowsService(
  { name, namespace }: ConnectedStation,
  onLine: OnLine,
): Promise<void> {
  const host = await openWindowsHost({ networkOf: namespace.pid });
  await host.writeKeyFile(await Deno.readTextFile("/etc/arpflush/key"));
  const eventOf = createEventParser();
  start(["tail", "-n", "+1", "-f", `${host.session.shared}/wine.log`], (line) => {
    const event = eventOf(line);
    if (event !== null) onLine(event.text.split("\r\n")[0]);
  });
  const { state } = await host.manager.state("start", serviceName);
  if (state !== "RUNNING") throw new Error(`The service on ${name} is ${state}`);
}
