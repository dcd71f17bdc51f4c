/** A Windows host for a test: Wine with the stand-in iphlpapi.dll, the key of a router, and the service created. */
import { registryPath } from "../../../lib/config/registry.ts";
import { REG_MULTI_SZ } from "../../../lib/win32/advapi32.ts";
import { run } from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";
import { type LoggedEvent, parseEventLog } from "./event_log.ts";
import { built } from "./built.ts";
import { compiled } from "./executables.ts";
import { type Manager, startManager } from "./manager_client.ts";
import { checkoutPath } from "./paths.ts";
import { openWineSession, windowsPath, type WineSession } from "./session.ts";

/** The service's name, as install.ps1 makes it. */
export const serviceName = "ArpFlush";

/** The router that the host obeys (router.ts). */
export const testRouter = createRouter(1);

const maxEventMs = 15_000;
const onlySystemAndAdministrators = "O:BAG:BAD:P(A;;KA;;;SY)(A;;KA;;;BA)";

/** The host. */
export interface WindowsHost extends AsyncDisposable {
  readonly session: WineSession;
  readonly manager: Manager;
  /** Windows' path of the service's executable. */
  readonly executable: string;
  /** The events since the last call. */
  newEvents(): Promise<LoggedEvent[]>;
  /** Waits 15 s at most for an event of a number among those not yet taken; takes all up to it. */
  event(id: number): Promise<LoggedEvent>;
  /** Does a router's part (router.ts) in the host's network; what it printed. */
  router(...args: string[]): Promise<unknown>;
  /** Does it in the network of the only neighbor on its link, which a session of its own has. */
  neighbor(...args: string[]): Promise<unknown>;
  /** Sets a setting that is a list. */
  setList(name: string, ...texts: string[]): Promise<unknown>;
  /** Leaves the router's key as the only setting, and the host's key as it is, in a key that only SYSTEM and Administrators may use. */
  resetSettings(): Promise<void>;
}

/** Opens a host in the network namespace of a process. */
export async function openWindowsHost(
  options: { networkOf?: number } = {},
): Promise<WindowsHost> {
  const folder = await compiled("windows-x64");
  const session = await openWineSession(options);
  try {
    return await prepare(session, windowsPath(`/checkout/${folder}/arpflush-service.exe`));
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function prepare(session: WineSession, executable: string): Promise<WindowsHost> {
  await placeStandIn(session);
  const manager = startManager(session);
  let taken = 0;

  async function newEvents(): Promise<LoggedEvent[]> {
    const all = parseEventLog(await Deno.readTextFile(`${session.shared}/wine.log`));
    const fresh = all.slice(taken);
    taken = all.length;
    return fresh;
  }

  const host: WindowsHost = {
    session,
    manager,
    executable,
    newEvents,
    async event(id) {
      const until = performance.now() + maxEventMs;
      for (;;) {
        const all = parseEventLog(await Deno.readTextFile(`${session.shared}/wine.log`));
        const index = all.findIndex((event, i) => i >= taken && event.id === id);
        if (index >= 0) {
          taken = index + 1;
          return all[index];
        }
        if (performance.now() > until) {
          const seen = all.slice(taken).map(({ id, text }) => `${id} ${text}`).join("; ");
          throw new Error(`No event ${id} in ${maxEventMs} ms, but: ${seen || "none"}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    router: (...args) => beRouter(session.networkOf, args),
    async neighbor(...args) {
      const child = `/proc/${session.networkOf}`;
      const other = `for p in $(cat ${child}/task/*/children); do ` +
        `[ "$(readlink /proc/$p/ns/net)" = "$(readlink ${child}/ns/net)" ] || echo $p; done`;
      return await beRouter(Number(await run(["sh", "-c", other])), args);
    },
    setList: (name, ...texts) =>
      manager.run("setValue", name, REG_MULTI_SZ, registryText(`${texts.join("\0")}\0`)),
    async resetSettings() {
      await session.wine(["reg", "delete", `HKLM\\${registryPath}`, "/va", "/f"]);
      await host.setList("RouterKeys", testRouter.publicText);
      await manager.run("protectSettings", onlySystemAndAdministrators);
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
  await host.resetSettings();
  await manager.run("create", serviceName, `"${executable}"`);
  return host;
}

/** Runs router.ts in the network of a process; what it printed. */
async function beRouter(networkOf: number, args: readonly string[]): Promise<unknown> {
  const program = `${checkoutPath}/tests/windows/wine/router.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--allow-net", "--allow-env", program];
  const line = ["nsenter", "-t", String(networkOf), "-n", ...deno, ...args];
  return JSON.parse(await run(line, { signal: AbortSignal.timeout(60_000) }));
}

/** The bytes of a text in the registry. */
export function registryText(text: string): number[] {
  return [...new Uint8Array(Uint16Array.from(`${text}\0`, (c) => c.charCodeAt(0)).buffer)];
}

/**
 * Has programs started from now on load the stand-in; `lacking`: without that export. Wine's own comes along
 * under another name: the stand-in passes on to it what it doesn't do itself.
 */
export async function placeStandIn(session: WineSession, lacking?: string): Promise<void> {
  const args = lacking === undefined ? [] : [lacking];
  const folder = await built(session, "tests/windows/standin/build_ip_helper.sh", ...args);
  const copy = `cp "$0"/*.dll /prefix/drive_c/windows/system32/`;
  const { code, stderr } = await session.unix(["sh", "-c", copy, folder]);
  if (code !== 0) throw new Error(`Cannot place the stand-in of iphlpapi.dll: ${stderr}`);
  await useIpHelper(session, "native");
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function useIpHelper(session: WineSession, whose: "native" | "builtin") {
  const value = ["HKCU\\Software\\Wine\\DllOverrides", "/v", "iphlpapi", "/d", whose, "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  if (code !== 0) throw new Error(`Cannot set iphlpapi to ${whose}: ${stderr}`);
}
