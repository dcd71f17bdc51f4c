/** The sender's own copies, on a clock that costs no time, to many hosts behind lossy paths. */
import type { DatagramPort } from "../../lib/sender/datagram_port.ts";
import { sendCopies } from "../../lib/sender/exchange.ts";
import { virtualTime } from "../unit/sender/virtual_time.ts";
import type { LossModel } from "./loss_model.ts";

/** What the sender does by default. */
export const defaultSchedule = { count: 5, intervalMs: 1_000 } as const;

/** Sends the default copies to so many hosts, each behind a path of its own; how many got one. */
export async function copiesReach(hosts: number, path: () => LossModel): Promise<number> {
  const time = virtualTime();
  const paths = new Map(Array.from({ length: hosts }, (_, i) => [`host${i}`, path()]));
  const reached = new Set<string>();
  let gapMs = 0;
  const port: DatagramPort = {
    send(_bytes, { hostname }) {
      if (!paths.get(hostname)?.(gapMs)) reached.add(hostname);
      return Promise.resolve();
    },
    close() {},
  };
  const outcomes = Array.from(paths.keys(), (hostname) => ({
    target: { hostname, address: null, interfaceNames: [], named: true },
    sent: 0,
    error: null,
  }));
  const never = new AbortController().signal;
  const onCopy = () => void (gapMs = defaultSchedule.intervalMs);
  const sending = sendCopies(
    new Uint8Array(128),
    outcomes,
    27735,
    defaultSchedule,
    port,
    time,
    never,
    onCopy,
  );
  await time.until(sending);
  return reached.size;
}
