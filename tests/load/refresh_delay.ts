/** How long a host that got none of the copies stays stuck when it refreshes its addresses. */
import { createMemoryCache } from "../../lib/neighbors/memory.ts";
import { Refresher } from "../../lib/service/refresher.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { createTestTime, settle } from "../support/test_time.ts";

const seconds = 30;
const addresses = [parsePrefix("192.0.2.1")];

/** Seconds from failovers at random moments to the next refresh. */
export async function refreshAfterLoss(
  failovers: number,
  random: () => number,
): Promise<{ meanSeconds: number; mostSeconds: number }> {
  const time = createTestTime();
  const refreshes: number[] = [];
  const cache = createMemoryCache({
    before(method) {
      if (method === "resolve") refreshes.push(time.monotonic());
    },
  });
  const refresher = new Refresher(cache, () => {}, time);
  const start = time.monotonic();
  refresher.configure({ RefreshAddresses: addresses, RefreshSeconds: seconds });
  const periods = 20;
  for (let i = 0; i < periods; i++) {
    time.pass(seconds * 1_000);
    // The refresher goes on when its resolution, a promise, is done.
    await settle();
  }
  refresher.stop();
  const delays = Array.from({ length: failovers }, () => {
    const at = start + random() * (periods - 1) * seconds * 1_000;
    const next = refreshes.find((refresh) => refresh >= at);
    if (next === undefined) throw new Error("Nothing was refreshed behind a failover");
    return (next - at) / 1_000;
  });
  return {
    meanSeconds: delays.reduce((sum, delay) => sum + delay, 0) / failovers,
    mostSeconds: Math.max(...delays),
  };
}
