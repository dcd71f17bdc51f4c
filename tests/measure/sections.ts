/** All sections by their name on the command line, in the order of docs/figures.md. */
import type { Section } from "./section.ts";
import { ask } from "./sections/ask.ts";
import { constantTime } from "./sections/constant_time.ts";
import { failover } from "./sections/failover.ts";
import { floods } from "./sections/floods.ts";
import { flush } from "./sections/flush.ts";
import { follow } from "./sections/follow.ts";
import { hosts } from "./sections/hosts.ts";
import { idle } from "./sections/idle.ts";
import { instances } from "./sections/instances.ts";
import { latency } from "./sections/latency.ts";
import { loss } from "./sections/loss.ts";
import { receivePath } from "./sections/receive_path.ts";
import { reloads } from "./sections/reloads.ts";
import { soak } from "./sections/soak.ts";
import { start } from "./sections/start.ts";

export const sections: Readonly<Record<string, Section>> = {
  failover,
  instances,
  follow,
  ask,
  start,
  flush,
  "receive-path": receivePath,
  latency,
  idle,
  hosts,
  loss,
  floods,
  reloads,
  soak,
  "constant-time": constantTime,
};
