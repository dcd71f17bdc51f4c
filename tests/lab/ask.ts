/**
 * A failover of real keepalived before hosts that run no service, with the router's daemon that asks:
 * run in namespaces of its own by ask_test.ts. Prints an `AskLabResult` as JSON.
 */
import { messageOf } from "../../lib/errors.ts";
import { outcomeOf, run, until } from "../support/command.ts";
import { findIsolation, ip } from "../support/namespaces.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";

/** What a failover did. */
interface AskLabResult {
  /** From the last answer before it to the first one after it, in ms: two hosts, side by side. */
  readonly outageMs: { readonly accepts: number; readonly ignores: number };
  /** What the daemon said of it, in a line. */
  readonly report: string;
  readonly log: readonly string[];
}

const fifo = "/run/arpflush/notify.fifo";
const expected = "/etc/arpflush/hosts";
const waitMs = 20_000;

const log: string[] = [];
const answers = { accepts: [] as number[], ignores: [] as number[] };

function configurationOf({ name }: Station, priority: number): string {
  const told = name === "r2" ? `vrrp_notify_fifo ${fifo}` : "";
  return `global_defs {
    router_id ${name}
    enable_script_security
    ${told}
}
vrrp_instance lan {
    state BACKUP
    nopreempt
    interface e0
    virtual_router_id 51
    priority ${priority}
    advert_int 1
    virtual_ipaddress {
        ${network.virtualAddress}
    }
}
`;
}

/** The longest time without an answer. */
function outageOf(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((at, i) => at - times[i]));
}

async function play(): Promise<AskLabResult> {
  await network.prepareMachine();
  for (const folder of ["/run/arpflush-router", "/run/arpflush"]) await Deno.mkdir(folder);
  await run(["mkfifo", "-m", "600", fifo]);
  await network.openSegment();
  const accepts = await network.openStation(21, "accepts");
  const ignores = await network.openStation(22, "ignores");
  const permanent = await network.openStation(23, "permanent");
  await network.ignoreGratuitousArp(ignores);
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2");
  const entry =
    `neigh replace ${network.virtualAddress} lladdr ${r1.linkLayerAddress} nud permanent`;
  await ip(permanent.namespace, [`${entry} dev e0`]);
  const names = [accepts, ignores, permanent].map(({ name, address }) => `${name} ${address}\n`);
  await Deno.writeTextFile(expected, names.join(""));

  const note = (name: string) => (line: string) => void log.push(`${name}: ${line}`);
  const said = (pattern: RegExp) => log.find((line) => pattern.test(line));
  for (const router of [r1, r2]) await network.startProber("echo", router, note(router.name));
  await network.runKeepalived(r1, configurationOf(r1, 150), note("r1"));
  await until(() => said(/^r1: .*Entering MASTER/) !== undefined, "a first master", waitMs);
  const line = [
    "/opt/arpflush/arpflush-router",
    "--follow",
    fifo,
    "--ask",
    "--expect",
    expected,
    "--pace",
    "500",
  ];
  network.start(r2, line, note("daemon"));
  await until(() => said(/^daemon: .*Following/) !== undefined, "a follower", waitMs);
  await network.runKeepalived(r2, configurationOf(r2, 100), note("r2"));
  for (const host of [accepts, ignores]) {
    const times = answers[host === accepts ? "accepts" : "ignores"];
    await network.startProber("probe", host, (line) => {
      if (Number(line) > 0) times.push(Number(line));
      else note(host.name)(line);
    });
    await until(() => times.length > 100, `answers to ${host.name}`, waitMs);
  }
  await until(() => said(/^r2: .*Entering BACKUP/) !== undefined, "a backup", waitMs);
  await network.setLink(r1, "down");
  const failedAt = performance.timeOrigin + performance.now();
  const isBack = (times: readonly number[]) => (times.at(-1) ?? 0) > failedAt + 1_000;
  await until(() => Object.values(answers).every(isBack), "answers after the failover", waitMs);
  const report = /^daemon: .*hosts were asked: .*STUCK/;
  await until(() => said(report) !== undefined, "the daemon's report", waitMs);
  return {
    outageMs: { accepts: outageOf(answers.accepts), ignores: outageOf(answers.ignores) },
    report: said(report) ?? "",
    log,
  };
}

/** Plays it in namespaces of its own, with dist/arpflush as it is; rejects when it can't be done. */
export async function runAskLab(): Promise<AskLabResult> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`Cannot run the lab without ${isolation.missing}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url];
  // /run is the lab's own, and goes with it.
  const options = { env: { TMPDIR: "/run" }, cwd: new URL("../../", import.meta.url) };
  const signal = AbortSignal.timeout(150_000);
  const outcome = await outcomeOf([...isolation.argv, ...deno], { ...options, signal });
  if (outcome.code !== 0) throw new Error(`Cannot play the failover: ${outcome.stderr}`);
  return JSON.parse(outcome.stdout);
}

if (import.meta.main) {
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(await play()));
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error), log.slice(-40).join("\n"));
    Deno.exit(1);
  }
}
