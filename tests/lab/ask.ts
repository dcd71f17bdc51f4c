/**
 * A failover of real keepalived before hosts that run no service, with the router's daemon that asks:
 * run in namespaces of its own by ask_test.ts. Prints an `AskLabResult` as JSON.
 */
import { run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import * as network from "./network.ts";

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
  await network.startKeepalived(r1, { priority: 150, length: 32 }, note("r1"));
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
  await network.startKeepalived(r2, { priority: 100, length: 32, fifo }, note("r2"));
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

/** Plays it in namespaces of its own, with dist/arpflush as it is. */
export function runAskLab(): Promise<AskLabResult> {
  return playApart(import.meta.url, null, 150_000);
}

if (import.meta.main) await endWithResult(play, log);
