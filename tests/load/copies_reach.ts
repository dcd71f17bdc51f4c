/** The sender's own copies, on a clock that costs no time, to many hosts behind lossy paths. */
import { exchange } from "../../lib/sender/exchange.ts";
import { planOf } from "../unit/sender/helpers.ts";
import { createTestTime } from "../support/test_time.ts";
import type { LossModel } from "./loss_model.ts";

/** What the sender does by default. */
export const defaultSchedule = { count: 5, intervalMs: 1_000 } as const;

/** Sends the default copies to so many hosts, each behind a path of its own; how many got one. */
export async function copiesReach(hosts: number, path: () => LossModel): Promise<number> {
  const time = createTestTime();
  const paths = new Map(Array.from({ length: hosts }, (_, i) => [`host${i}`, path()]));
  const reached = new Set<string>();
  let gapMs = 0;
  const open = () => ({
    send(_bytes: Uint8Array, { hostname }: { readonly hostname: string }) {
      if (!paths.get(hostname)?.(gapMs)) reached.add(hostname);
      return Promise.resolve();
    },
    close() {},
  });
  const targets = Array.from(paths.keys(), (hostname) => ({
    hostname,
    address: null,
    interfaceNames: [],
    named: true,
  }));
  const plan = planOf({ targets, schedule: defaultSchedule, waitMs: 0 });
  await time.until(exchange(plan, open, time, () => void (gapMs = defaultSchedule.intervalMs)));
  return reached.size;
}
