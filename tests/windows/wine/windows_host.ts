/** A Windows host for a test: Wine with the stand-in iphlpapi.dll, a key, and the service created. */
import { run } from "../../support/command.ts";
import { type LoggedEvent, parseEventLog } from "./event_log.ts";
import { compiled } from "./executables.ts";
import { placeStandIn } from "./ip_helper.ts";
import { type Manager, startManager } from "./manager_client.ts";
import { checkoutPath } from "./paths.ts";
import { openWineSession, windowsPath, type WineSession } from "./session.ts";

/** The service's name, as install.ps1 makes it. */
export const serviceName = "ArpFlush";

/** The key that hosts in tests hold, one line of a key file. */
export const testKey = btoa("0123456789abcdef0123456789abcdef");

/** The folder of the key file, in the session. */
const keyFolder = "/prefix/drive_c/ProgramData/ArpFlush";

/** The host. */
export interface WindowsHost extends AsyncDisposable {
  readonly session: WineSession;
  readonly manager: Manager;
  /** Windows' path of the service's executable. */
  readonly executable: string;
  /** The events since the last call. */
  newEvents(): Promise<LoggedEvent[]>;
  /** Waits for an event of a number among those not yet taken; takes all up to it. */
  event(id: number, atMostMs?: number): Promise<LoggedEvent>;
  /** Does a router's part (router.ts) in the host's network; what it printed. */
  router(...args: string[]): Promise<unknown>;
  writeKeyFile(text: string, mode?: number): Promise<void>;
  removeKeyFile(): Promise<void>;
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
  const keyPath = `${session.shared}/key-folder/key`;
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
    async event(id, atMostMs = 15_000) {
      const until = performance.now() + atMostMs;
      for (;;) {
        const all = parseEventLog(await Deno.readTextFile(`${session.shared}/wine.log`));
        const index = all.findIndex((event, i) => i >= taken && event.id === id);
        if (index >= 0) {
          taken = index + 1;
          return all[index];
        }
        if (performance.now() > until) {
          const seen = all.slice(taken).map(({ id, text }) => `${id} ${text}`).join("; ");
          throw new Error(`No event ${id} in ${atMostMs} ms, but: ${seen || "none"}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async router(...args) {
      const { networkOf } = session;
      const program = `${checkoutPath}/tests/windows/wine/router.ts`;
      const deno = [Deno.execPath(), "run", "-q", "--allow-net", "--allow-env", program];
      const env = { ARPFLUSH_TEST_KEY: testKey };
      const signal = AbortSignal.timeout(60_000);
      const line = ["nsenter", "-t", String(networkOf), "-n", ...deno, ...args];
      return JSON.parse(await run(line, { env, signal }));
    },
    async writeKeyFile(text, mode = 0o600) {
      await Deno.writeTextFile(keyPath, text);
      await Deno.chmod(keyPath, mode);
    },
    removeKeyFile: () => Deno.remove(keyPath),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
  await Deno.mkdir(`${session.shared}/key-folder`);
  const linked = await session.unix(["ln", "-s", "/shared/key-folder", keyFolder]);
  if (linked.code !== 0) throw new Error(`Cannot link the key's folder: ${linked.stderr}`);
  await host.writeKeyFile(`${testKey}\n`);
  await manager.run("create", serviceName, `"${executable}"`);
  return host;
}
