/**
 * One Ethernet with hosts, each in a network namespace of its own, and a router: a bridge in the
 * namespace of the test. Real kernel tables, the real service and the real sender.
 */
import assert from "node:assert/strict";
import { type CommandOutcome, outcomeOf, run } from "../support/command.ts";
import { createRouter } from "../support/datagrams.ts";
import {
  ip,
  linkLayerAddressOf,
  type NetworkNamespace,
  openNetworkNamespace,
  plug,
  setNeighbors,
} from "../support/namespaces.ts";
import { programLine, type ServiceProcess, startServiceProcess } from "../support/programs.ts";

/** The router's link-layer address, and one that nobody has. */
export const routerMac = "02:00:00:00:00:01";
export const deadMac = "02:00:00:00:00:99";
/** The router's virtual addresses; its own end in 2, and hosts are 192.0.2.100 + n and so on. */
export const virtualAddresses = ["192.0.2.1", "2001:db8::1"] as const;

/** A folder with the router's key and the hosts' settings, on the file system of the tier's own. */
export const folder = "/run/arpflush";
/** The router's key. */
export const keyFile = `${folder}/key`;
const router = createRouter(1);

/** What a host's settings file holds: it obeys the router, and has these lines besides. */
export function settingsText(lines: readonly string[]): string {
  return [`RouterKeys = ["${router.publicText}"]`, ...lines, ""].join("\n");
}

/** The router and the wire to it. */
export interface Segment extends AsyncDisposable {
  /** Adds a host, its number counting from 0. */
  host(): Promise<Host>;
  /** Runs the sender on the router with the segment's key, to its end; its copies follow fast. */
  send(...args: readonly string[]): Promise<CommandOutcome>;
  /** The same without a key. */
  sendWithoutKey(...args: readonly string[]): Promise<CommandOutcome>;
  /** Starts the router's daemon with the segment's key. */
  follow(fifo: string, ...args: readonly string[]): ServiceProcess;
}

/** A host on the segment. */
export interface Host {
  readonly namespace: NetworkNamespace;
  /** Where its services keep its key. */
  readonly stateFolder: string;
  /**
   * Starts the service with these lines of settings; resolves when it listens. `argv` is put before
   * its command line.
   */
  serve(settings?: readonly string[], argv?: readonly string[]): Promise<ServiceProcess>;
  /** Puts the router's virtual addresses at a link-layer address that nobody has. */
  goStale(): Promise<void>;
  /** The link-layer address that the kernel has for an address; null for none. */
  linkLayerAddressOf(address: string): Promise<string | null>;
}

/** Makes the segment with a router and no host. Everything on it ends with it. */
export async function openSegment(): Promise<Segment> {
  const parts = new AsyncDisposableStack();
  await Deno.mkdir(folder, { mode: 0o700 });
  parts.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(keyFile, `${router.secretText}\n`, { mode: 0o600 });
  await ip(null, [`link add name br0 address ${routerMac} type bridge`]);
  parts.defer(async () => void await ip(null, ["link del br0"]));
  await run(["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/br0/accept_dad"]);
  const own = ["192.0.2.2/24", "2001:db8::2/64"];
  const addresses = [...own, ...virtualAddresses];
  await ip(null, [...addresses.map((one) => `addr add ${one} dev br0`), "link set br0 up"]);
  let count = 0;
  return {
    host: () => openHost(count++, parts),
    send: (...args) => outcomeOf(programLine("sender", ["-i", "100ms", "-k", keyFile, ...args])),
    sendWithoutKey: (...args) => outcomeOf(programLine("sender", args)),
    follow: (fifo, ...args) =>
      parts.use(startServiceProcess({
        program: "router",
        args: ["--follow", fifo, "-a", "-i", "100ms", "-w", "1s", "-k", keyFile, ...args],
      })),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/**
 * The host has the router's link-layer address, or asks for it before its next packet: a flush of all
 * that ends behind the answer takes it away again.
 */
export async function isRight(
  host: Host,
  address: string,
  ...right: readonly string[]
): Promise<void> {
  const found = await host.linkLayerAddressOf(address);
  const allowed = right.length > 0 ? right : [routerMac];
  assert.ok(found === null || allowed.includes(found), `${address} at ${found}`);
}

/** The router's request heals the host, which it is stale at before, and the report says so. */
export async function heals(segment: Segment, host: Host, ...args: string[]): Promise<void> {
  await host.goStale();
  const { code, stdout, stderr } = await segment.send("-a", "--expect", "1", ...args);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 .* healed/m);
  await isRight(host, "192.0.2.1");
}

/** Runs a test with the router and one host whose service may flush as often as it likes. */
export async function withHost(
  body: (segment: Segment, host: Host) => Promise<void>,
  settings: readonly string[] = ["HoldDownSeconds = 1"],
): Promise<void> {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve(settings);
  try {
    await body(segment, host);
  } catch (error) {
    console.error(service.log.join("\n"));
    throw error;
  }
}

/** Runs the sender, two copies; its exit code and its report, which is given, must be so. */
export async function reports(
  segment: Segment,
  args: readonly string[],
  code: number,
  ...patterns: readonly RegExp[]
): Promise<string> {
  const outcome = await segment.send("-c", "2", "-w", "2s", ...args);
  const text = outcome.stdout + outcome.stderr;
  assert.equal(outcome.code, code, text);
  for (const pattern of patterns) assert.match(text, pattern);
  return text;
}

/** Sets an entry of a host's table. */
export function entry(
  { namespace }: Host,
  address: string,
  linkLayerAddress: string,
  state: string,
  device?: string,
): Promise<string> {
  return setNeighbors(namespace, [address], linkLayerAddress, state, device);
}

async function openHost(number: number, parts: AsyncDisposableStack): Promise<Host> {
  const name = `host${number}`;
  const namespace = parts.use(await openNetworkNamespace(name));
  const addresses = [`192.0.2.${100 + number}/24`, `2001:db8::${100 + number}/64`];
  await plug({ namespace, name: "e0", addresses }, `p${number}`, "br0");
  const stateFolder = `${folder}/${name}`;
  return {
    namespace,
    stateFolder,
    serve: async (settings = [], argv = []) => {
      const file = `${folder}/${name}-${crypto.randomUUID()}.toml`;
      await Deno.writeTextFile(file, settingsText(settings), { mode: 0o600 });
      const env = { STATE_DIRECTORY: stateFolder };
      const line = { argv: [...namespace.argv, ...argv], args: ["--config", file], env };
      const service = parts.use(startServiceProcess(line));
      await service.line(/Started/);
      return service;
    },
    goStale: async () => {
      await setNeighbors(namespace, virtualAddresses, deadMac, "reachable");
    },
    linkLayerAddressOf: (address) => linkLayerAddressOf(namespace, address),
  };
}

/** How the service of a host that can be hurt is started. */
interface FaultyStart {
  /** Redirections in the shell's syntax: `2>/dev/full`. @default none */
  readonly redirection?: string;
  /** A shell command that the service's process executes first. @default none */
  readonly before?: string;
}

/**
 * A host whose service can be hurt: its `ip` is a script that a test replaces, its streams can be
 * redirected, and its process id is known.
 */
export interface FaultyHost extends AsyncDisposable {
  /** What `ip` is from now on: a shell script, or missing for null. */
  replaceIp(script: string | null): Promise<void>;
  /** The script that makes `ip` work. */
  readonly workingIp: string;
  /** Starts a service with these lines of settings; doesn't wait until it listens. */
  startService(settings?: readonly string[], start?: FaultyStart): Promise<ServiceProcess>;
  /** The process id of the service started last. */
  pid(): Promise<number>;
  /** Replaces the settings; a reload reads them. */
  writeSettings(lines: readonly string[]): Promise<void>;
}

/** Prepares a host with a working `ip`; its files are in /run/faulty-NAME. */
export async function openFaultyHost(
  { namespace, stateFolder }: Host,
  name: string,
): Promise<FaultyHost> {
  const place = `/run/faulty-${name}`;
  const settingsFile = `${place}/arpflush.toml`;
  const realIp = (await run(["sh", "-c", "command -v ip"])).trim();
  const workingIp = `exec ${realIp} "$@"`;
  await Deno.mkdir(place);

  /** Renamed into place: a script that is being written can't be executed. */
  async function replaceFile(path: string, text: string, mode: number): Promise<void> {
    await Deno.writeTextFile(`${path}.new`, text, { mode });
    await Deno.rename(`${path}.new`, path);
  }
  function replaceIp(script: string | null): Promise<void> {
    if (script === null) return Deno.remove(`${place}/ip`);
    const text = `#!/bin/sh\nPATH=${Deno.env.get("PATH")}\n${script}\n`;
    return replaceFile(`${place}/ip`, text, 0o755);
  }
  function writeSettings(lines: readonly string[]): Promise<void> {
    return replaceFile(settingsFile, settingsText(lines), 0o600);
  }
  await replaceIp(workingIp);

  return {
    replaceIp,
    workingIp,
    writeSettings,
    async startService(settings = [], { redirection = "", before = ":" } = {}) {
      await writeSettings(settings);
      const script = `${before}; echo $$ > ${place}/pid; exec "$@" ${redirection}`;
      const shell = ["env", `PATH=${place}`, "/bin/sh", "-c", script, "sh"];
      const argv = [...namespace.argv, ...shell];
      const env = { STATE_DIRECTORY: stateFolder };
      return startServiceProcess({ argv, args: ["--config", settingsFile], env });
    },
    pid: async () => Number(await Deno.readTextFile(`${place}/pid`)),
    [Symbol.asyncDispose]: () => Deno.remove(place, { recursive: true }),
  };
}
