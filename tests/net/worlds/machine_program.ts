/**
 * A machine of the worlds built of namespaces: the real service on the sockets and the tables of the
 * namespace that this process is in, started anew for each world. Commands come in on standard input,
 * a JSON document a line; each is answered by one line.
 */
import { parseSettingsText } from "../../../lib/config/file.ts";
import { createIpCommand, type IpCommand } from "../../../lib/neighbors/iproute2.ts";
import { createLinuxCache } from "../../../lib/neighbors/linux.ts";
import { type RunningService, startService } from "../../../lib/service/running_service.ts";
import { sleep, systemTime } from "../../../lib/time.ts";
import { linesOf, outcomeOf, run } from "../../support/command.ts";

/** Which runs of `ip` fail, or that each takes a while. */
type IpFault = "none" | "resolve" | "flush" | "routes" | "slow";

/** What a machine is told. */
export type MachineCommand =
  | {
    readonly kind: "start";
    readonly hostName: string;
    readonly settings: string;
    /** How far its clock is ahead. */
    readonly clockMs: number;
    readonly fault: IpFault;
  }
  /** Ends the service, if one runs. */
  | { readonly kind: "stop" }
  /** Runs scripts: lines of `ip -batch`, and of `nft`. */
  | { readonly kind: "set up"; readonly ip: readonly string[]; readonly nft: string }
  | { readonly kind: "ping"; readonly addresses: readonly string[] };

/** What it answers: the key of a service, the addresses that answered a ping, or what went wrong. */
export interface MachineAnswer {
  readonly key?: string;
  readonly reached?: readonly string[];
  readonly error?: string;
}

/** A host that is busy. */
const slowMs = 150;
/** The input of the runs that fail. What is flushed comes behind it, as what is deleted to resolve. */
const failing: Readonly<Record<IpFault, RegExp>> = {
  none: /$^/,
  slow: /$^/,
  resolve: /^route get /,
  flush: /^neigh show/,
  routes: /^route show table all/,
};

function faultyIp(fault: IpFault): IpCommand {
  const real = createIpCommand();
  const none = createIpCommand({ program: "ip-is-not-there" });
  return async (args, input, next) => {
    if (fault === "slow") await sleep(systemTime.after, slowMs);
    const fails = failing[fault].test(input) && (fault !== "flush" || next !== undefined);
    return await (fails ? none : real)(args, input, next);
  };
}

const pingsAtOnce = 40;
let service: RunningService | null = null;

async function ping(addresses: readonly string[]): Promise<string[]> {
  const reached: string[] = [];
  const waiting = [...addresses];
  const worker = async () => {
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      const { code } = await outcomeOf(["ping", "-q", "-n", "-c", "1", "-W", "1", address]);
      if (code === 0) reached.push(address);
    }
  };
  await Promise.all(Array.from({ length: pingsAtOnce }, worker));
  return reached;
}

async function obey(command: MachineCommand): Promise<MachineAnswer> {
  switch (command.kind) {
    case "start": {
      await run(["hostname", command.hostName]);
      let key = "";
      service = await startService({
        load: () => parseSettingsText(command.settings, "world.toml"),
        configureLog: () => (event, values) => {
          if (event === "started") key = String(values?.hostKey);
        },
        openCache: () => Promise.resolve(createLinuxCache({ ip: faultyIp(command.fault) })),
        time: { ...systemTime, wall: () => systemTime.wall() + command.clockMs },
      });
      return { key };
    }
    case "stop":
      await service?.stop();
      service = null;
      return {};
    case "set up":
      if (command.ip.length > 0) {
        await run(["ip", "-batch", "-"], { input: `${command.ip.join("\n")}\n` });
      }
      if (command.nft !== "") await run(["nft", "-f", "-"], { input: command.nft });
      return {};
    case "ping":
      return { reached: await ping(command.addresses) };
  }
}

if (import.meta.main) {
  for await (const line of linesOf(Deno.stdin.readable)) {
    let answer: MachineAnswer;
    try {
      answer = await obey(JSON.parse(line));
    } catch (error) {
      answer = { error: String(error) };
    }
    await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(answer)}\n`));
  }
  Deno.exit(0);
}
