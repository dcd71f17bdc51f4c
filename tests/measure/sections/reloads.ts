import { readProcessState } from "../../support/linux.ts";
import { until } from "../../support/command.ts";
import type { ServiceProcess } from "../../support/programs.ts";
import { openMeasuredService } from "../peers.ts";
import { type Context, figure, type Row, type Section } from "../section.ts";

/** No more in all than the ids that a host remembers. */
const requestsPerReload = 3;
/** One flush's end acknowledges hundreds of requests: more at once than the asking socket holds. */
const ackSpreadMs = 1_000;
/** A flush is acknowledged after one hold-down period at the latest. */
const good = (i: number) => [`HoldDownSeconds = ${1 + i % 2}`, "ClockToleranceSeconds = 1"];
const broken = ["HoldDownSeconds = 0"];
const lines = { reloaded: /Reloaded the settings/, refused: /Cannot reload the settings/ };

async function run({ quick }: Context): Promise<Row[]> {
  const reloads = quick ? 40 : 1_000;
  await using opened = await openMeasuredService("reload", good(0));
  const { faulty, service, pid, socket } = opened;
  const before = await readProcessState(pid);
  const answers: Promise<boolean>[] = [];
  for (let i = 0; i < reloads; i++) {
    const isGood = i % 2 === 1;
    await faulty.writeSettings(isGood ? good(i) : broken);
    // These are on their way while the settings are read.
    for (let k = 0; k < requestsPerReload; k++) {
      answers.push(
        socket.request({ ackSpreadMs }, 10_000).then((ack) => ack?.status === "flushed"),
      );
    }
    service.kill("SIGHUP");
    const pattern = isGood ? lines.reloaded : lines.refused;
    const wanted = Math.floor(i / 2) + 1;
    await until(() => countOf(service, pattern) >= wanted, `${wanted} times ${pattern}`, 10_000);
  }
  const answered = await Promise.all(answers);
  const after = await readProcessState(pid);
  const unanswered = answered.filter((flushed) => !flushed).length;
  const more = Math.max(0, after.descriptors - before.descriptors);
  return [
    figure("reloaded", countOf(service, lines.reloaded), "times"),
    figure("refused", countOf(service, lines.refused), "times"),
    figure("requests", answered.length),
    figure("unanswered", unanswered, "", { promise: { max: 0 } }),
    figure("descriptors more", more, "", { promise: { max: 0 } }),
  ];
}

function countOf(service: ServiceProcess, pattern: RegExp): number {
  return service.log.filter((line) => pattern.test(line)).length;
}

export const reloads: Section = {
  title: "Reloads under load",
  about:
    "SIGHUP after SIGHUP, every second one with broken settings, three requests under way at " +
    "each.",
  run,
};
