/** All sections by their name on the command line, in the order of docs/figures.md. */
import type { Section } from "./section.ts";
import { ask } from "./sections/ask.ts";
import { constantTime } from "./sections/constant_time.ts";
import { floods } from "./sections/floods.ts";
import { flush } from "./sections/flush.ts";
import { hosts } from "./sections/hosts.ts";
import { idle } from "./sections/idle.ts";
import { failover, follow, instances } from "./sections/keepalived.ts";
import { loss } from "./sections/loss.ts";
import { latency, receivePath } from "./sections/receiver.ts";
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
