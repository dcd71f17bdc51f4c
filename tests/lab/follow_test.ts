/** The router's daemon beside a real keepalived with forty instances on two links. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { isInstalled } from "../support/command.ts";
import { median } from "../measure/statistics.ts";
import { labLacks } from "./failover.ts";
import { type Helper, runFollowLab } from "./follow.ts";

const helpers: readonly Helper[] = ["nothing", "daemon", "daemon", "nothing"];
const ignore = await labLacks() !== null || !await isInstalled("mkfifo");

Deno.test({
  name: "arpflush-router follows forty instances, and what is done to keepalived and to itself",
  ignore,
  async fn() {
    await pack("dist/arpflush");
    const { rounds, events, log } = await runFollowLab(helpers, true);
    const said = log.filter((line) => /daemon|arpflush\[/.test(line)).join("\n");
    const sumOf = (helper: Helper) =>
      rounds.filter((round) => round.helper === helper)
        .reduce((sum, { failoverMs }) => sum + failoverMs, 0);
    // When the last advertisement came before the cut is chance.
    assert.ok(sumOf("daemon") < 1.5 * sumOf("nothing"), JSON.stringify(rounds));
    const followed = rounds.filter(({ helper }) => helper === "daemon");
    const delays = followed.flatMap(({ firstDatagramMs }) =>
      firstDatagramMs.map((ms) => ms ?? NaN)
    );
    console.log(
      `From a link's first line to its datagram: ${delays.map((ms) => ms.toFixed(1))} ms`,
    );
    // docs/figures.md has the 99th percentile; here a machine that does much else may delay one.
    assert.ok(median(delays) < 30, `${delays}\n${said}`);
    for (const ms of delays) assert.ok(ms < 250, `${delays}\n${said}`);
    for (const { requests, unasked, lateRequests } of followed) {
      for (const count of requests) assert.ok(count >= 1 && count <= 5, `${count}\n${said}`);
      assert.deepEqual(unasked, [0, 0], said);
      assert.equal(lateRequests, 0, said);
    }
    assert.deepEqual(events, {
      "stale lines at open": "0 flushes",
      "reload, a FIFO of ours": "0 flushes, then some",
      "the host": "healed",
      // It is on both links.
      "metrics, of both links": 'arpflush_run_hosts{run="failover",verdict="healed"} 1',
      "killed in the middle": "stale, healed",
      "full pipe": "flushed",
      "reload, keepalived's FIFO": "flushed",
      "stop and start": "flushed",
    }, said);
  },
});
