/** keepalived in the lab: its configuration, its states, and what it tells by a FIFO. */
import { linesOf, run } from "../support/command.ts";
import { type OnLine, type Program, startUntil, type Station, virtualAddress } from "./network.ts";

/** A VRRP instance that hands addresses on. */
interface Instance {
  readonly name: string;
  /** @default "e0" */
  readonly device?: string;
  /** The virtual router's. */
  readonly id: number;
  readonly priority: number;
  /** @default 1 */
  readonly advertSeconds?: number;
  /** As keepalived has them, with what follows them. */
  readonly addresses: readonly string[];
  /** More lines. @default none */
  readonly more?: string;
}

/**
 * An instance's text. There is no `use_vmac` unless `more` has it: with it the address keeps one
 * link-layer address and there is nothing to heal.
 */
export function instanceText(instance: Instance): string {
  const { name, device = "e0", id, priority, advertSeconds = 1, addresses, more = "" } = instance;
  return `
vrrp_instance ${name} {
    state BACKUP
    interface ${device}
    virtual_router_id ${id}
    priority ${priority}
    advert_int ${advertSeconds}
    virtual_ipaddress {
        ${addresses.join("\n        ")}
    }
    ${more}
}
`;
}

/** The text of a group of instances; `hooks` are its other lines. */
export function groupText(name: string, instances: readonly string[], hooks = ""): string {
  return `
vrrp_sync_group ${name} {
    group {
        ${instances.join("\n        ")}
    }
    ${hooks}
}
`;
}

/** The text of the global settings, with more lines. */
export function globalsText(more = ""): string {
  return `global_defs {
    enable_script_security
    ${more}
}
`;
}

/** A keepalived that runs. */
export interface Keepalived extends Program {
  /** Whether the state that it entered last, with any instance, is MASTER. */
  isMaster(): boolean;
}

/** Starts keepalived in the foreground by a configuration; its log goes to `onLine` without its clock. */
export async function runKeepalived(
  router: Station,
  configuration: string,
  onLine: OnLine,
): Promise<Keepalived> {
  const base = `/run/lab/${router.name}`;
  await Deno.writeTextFile(`${base}.conf`, configuration);
  const files = ["-f", `${base}.conf`, "-p", `${base}.pid`, "-r", `${base}.vrrp.pid`];
  const options = ["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp"];
  let state = "";
  const line = ["keepalived", ...options, ...files];
  const program = await startUntil(/Startup complete/, router, line, (line) => {
    state = /Entering (\w+) STATE/.exec(line)?.[1] ?? state;
    onLine(line.replace(/^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}: /, ""));
  });
  return { ...program, isMaster: () => state === "MASTER" };
}

/** A router's keepalived. */
interface KeepalivedSettings {
  readonly priority: number;
  /** What it runs when it becomes master. @default nothing */
  readonly notify?: string;
  /** What it tells of its states. @default nothing */
  readonly fifo?: string;
  /** The prefix length that it adds the address with. @default 24 */
  readonly length?: number;
}

/**
 * Starts keepalived on a router with the virtual address. Both routers start as backup and don't
 * preempt, so that only a failure moves the address.
 */
export function startKeepalived(
  router: Station,
  { priority, notify, fifo, length = 24 }: KeepalivedSettings,
  onLine: OnLine,
): Promise<Keepalived> {
  const hook = notify === undefined ? "" : `notify_master "${notify}"`;
  const addresses = [`${virtualAddress}/${length}`];
  const instance = { name: "lan", id: 51, priority, addresses, more: `nopreempt\n    ${hook}` };
  const globals = globalsText(fifo === undefined ? "" : `vrrp_notify_fifo ${fifo}`);
  return runKeepalived(router, globals + instanceText(instance), onLine);
}

/** Reads what keepalived writes into a FIFO of the lab's own, which is made. */
export async function readFifo(path: string, onLine: OnLine): Promise<void> {
  await run(["mkfifo", path]);
  const file = await Deno.open(path, { read: true, write: true });
  (async () => {
    for await (const line of linesOf(file.readable)) onLine(line);
  })();
}
