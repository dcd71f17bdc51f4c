/** One run of the lab: two real failovers, and every host did what it must. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { run } from "../support/command.ts";
import { enterLab, labLacks } from "./enter.ts";
import { lanes, lanesHere } from "./lanes.ts";
import { pictureOf } from "./picture.ts";
import { outageTable, timelineText } from "./report.ts";
import { faultsOf, stuckLeastMs } from "./verdict.ts";

const lack = await labLacks();
if (lack !== null) console.log(`The lab can't be run: this machine lacks ${lack}`);
const { here, leftOut } = await lanesHere();

Deno.test({
  name: "lanesHere() leaves a lane out only where the tests may skip",
  ignore: lack !== null,
  fn() {
    console.log(leftOut.join("\n") || `All of ${lanes.length} lanes`);
    if (Deno.env.get("CI") === "true") assert.deepEqual(leftOut, []);
  },
});

Deno.test({
  name: "runLab() heals the hosts with ArpFlush after both failovers, and only those",
  ignore: lack !== null,
  async fn() {
    await pack("dist/arpflush");
    const result = await enterLab(stuckLeastMs + 2_000, here);
    console.log(`${timelineText(result)}\n\n${outageTable([result])}`);
    assert.deepEqual(faultsOf(result), []);

    const stuck = result.lanes.find(({ id }) => id === "a");
    assert.equal(stuck?.outages.some(({ healed }) => healed), false);
    for (const { id, ignoredArpPackets } of result.lanes) {
      if (ignoredArpPackets === null) continue;
      assert.ok(ignoredArpPackets >= 10, `${id} ignored gratuitous ARP of both masters`);
    }
    const withService = here.filter(({ startService }) => startService !== null);
    for (const { id, station } of withService) {
      const lane = result.lanes.find((lane) => lane.id === id);
      assert.equal(lane?.outages.every(({ healed }) => healed), true);
      const [first, second] = result.moments.filter(({ where, kind, at }) =>
        where === station.name && kind === "flush" && at > 0
      );
      assert.ok(second.at - first.at < 10_000, `${id} flushed twice within one hold-down period`);
    }
    const reports = result.moments.filter(({ kind }) => kind === "report");
    for (const { text } of reports) {
      assert.match(text, new RegExp(`^info: .*\\b${withService.length} healed`));
    }

    const svg = pictureOf(result);
    for (const { title, outages } of result.lanes) {
      assert.ok(svg.includes(title));
      const [first] = outages;
      if (first.healed) assert.ok(svg.includes(`${(first.ms / 1000).toFixed(2)} s`));
    }
  },
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  Deno.test({
    name: `enterLab() leaves no process and no namespace behind after ${signal}`,
    ignore: lack !== null,
    async fn() {
      const main = `${import.meta.dirname}/main.ts`;
      const args = ["run", "-q", "--no-prompt", "-P=tests", main, "--no-pack"];
      const command = new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" });
      const lab = command.spawn();
      await until(async () => (await programsBelow(lab.pid)).includes("keepalived"));
      // Looked at while programs come and go: a look may miss some, and is taken again.
      let namespaces: readonly string[] = [];
      await until(async () => {
        namespaces = await namespacesBelow(lab.pid);
        return namespaces.length > lanes.length;
      });
      lab.kill(signal);
      await lab.status;
      await until(async () => {
        const all = await run(["lsns", "--noheadings", "--output", "NS"]);
        return namespaces.every((namespace) => !all.includes(namespace));
      });
    },
  });
}

/** A line `PID PROGRAM` for each process below a process. */
async function below(pid: number): Promise<string[]> {
  const all = (await run(["ps", "-e", "-o", "ppid=,pid=,comm="])).split("\n")
    .map((line) => line.trim().split(/\s+/));
  const found: string[] = [];
  const parents = [String(pid)];
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
    for (const [ppid, child, program] of all) {
      if (ppid !== parent) continue;
      found.push(`${child} ${program}`);
      parents.push(child);
    }
  }
  return found;
}

async function programsBelow(pid: number): Promise<string[]> {
  return (await below(pid)).map((line) => line.split(" ")[1]);
}

/** Numbers of the namespaces that processes below a process are in, but not this one. */
async function namespacesBelow(pid: number): Promise<string[]> {
  const script = "for p; do readlink /proc/$p/ns/net /proc/$p/ns/mnt /proc/$p/ns/pid; done; true";
  const pids = (await below(pid)).map((line) => line.split(" ")[0]);
  const numbers = async (pids: readonly string[]): Promise<readonly string[]> =>
    (await run(["sh", "-c", script, "sh", ...pids])).match(/\d+/g) ?? [];
  const own = await numbers([String(Deno.pid)]);
  return [...new Set(await numbers(pids))].filter((number) => !own.includes(number));
}

/** Looks until something holds; throws after 60 s: Wine takes some of them on a busy machine. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!await holds()) {
    if (Date.now() > end) throw new Error("Waited 60 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
