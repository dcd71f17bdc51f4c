/** One run of the lab: real failovers, and every host did what it must. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { run, until } from "../support/command.ts";
import { labLacks, runLab } from "./failover.ts";
import { pictureOf } from "./picture.ts";
import { faultsOf, lanes, outageRatio, timelineText } from "./result.ts";

const lack = await labLacks();
if (lack !== null) console.log(`The lab can't be run: this machine lacks ${lack}`);
const ignore = lack !== null;

const way = "arpflush-router";
const name = "after each failover the host with ArpFlush is back with the one that needs no help";
Deno.test({ name: `runLab(): ${name}`, ignore }, async () => {
  await pack("dist/arpflush");
  // A median of eight: what else the machine does delays one or the other host.
  const result = await runLab({ way, failovers: 8, windowMs: 11_000 });
  console.log(timelineText(result));
  assert.deepEqual(faultsOf(result), []);
  const ratio = outageRatio(result, "b", "c");
  console.log(`${ratio.toFixed(4)} times as long without an answer`);
  assert.ok(ratio <= 1.005, `${ratio}`);
  const svg = pictureOf(result);
  for (const { title, outages } of result.lanes) {
    assert.ok(svg.includes(title));
    if (outages[0].healed) assert.ok(svg.includes(`${outages[0].ms.toFixed(0)} ms`));
  }
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  Deno.test(`runLab() leaves no process and no namespace behind after ${signal}`, {
    ignore,
  }, async () => {
    const main = `${import.meta.dirname}/../measure/main.ts`;
    const args = ["run", "-q", "--no-prompt", "-P=tests", main, "failover", "--quick"];
    const command = new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" });
    const lab = command.spawn();
    await until(
      async () => (await processesBelow(lab.pid)).some(({ name }) => name === "keepalived"),
      "keepalived",
    );
    // Programs come and go while they are read: a reading may miss some, and is repeated.
    let namespaces: readonly string[] = [];
    await until(async () => {
      namespaces = await namespacesBelow(lab.pid);
      return namespaces.length > lanes.length;
    }, "the namespaces of routers and hosts");
    lab.kill(signal);
    await lab.status;
    await until(async () => {
      const all = await run(["lsns", "--noheadings", "--output", "NS"]);
      return namespaces.every((namespace) => !all.includes(namespace));
    }, "the end of the namespaces");
  });
}

async function processesBelow(pid: number): Promise<{ pid: string; name: string }[]> {
  const all = (await run(["ps", "-e", "-o", "ppid=,pid=,comm="])).split("\n")
    .map((line) => line.trim().split(/\s+/));
  const childrenOf = (parent: string): { pid: string; name: string }[] =>
    all.filter(([ppid]) => ppid === parent)
      .flatMap(([, pid, name]) => [{ pid, name }, ...childrenOf(pid)]);
  return childrenOf(String(pid));
}

/** Numbers of the namespaces that processes below a process are in, but not this one. */
async function namespacesBelow(pid: number): Promise<string[]> {
  const script = "for p; do readlink /proc/$p/ns/net /proc/$p/ns/mnt /proc/$p/ns/pid; done; true";
  const numbersOf = async (pids: readonly string[]): Promise<readonly string[]> =>
    (await run(["sh", "-c", script, "sh", ...pids])).match(/\d+/g) ?? [];
  const own = await numbersOf([String(Deno.pid)]);
  const pids = (await processesBelow(pid)).map(({ pid }) => pid);
  return [...new Set(await numbersOf(pids))].filter((number) => !own.includes(number));
}
