/** How far apart hosts are to send their acks, so that none is lost because all come at once. */
import type { Expectation } from "./expectation.ts";

/**
 * A socket holds 256 acks by default on Linux: what comes in 128 ms at this rate. So long may a busy
 * machine keep the sender waiting without a loss; docs/performance.md has the measured curve.
 */
const acksPerSecond = 2_000;
/** Within the second until the next copy, whose acks make up for lost ones, also flushes take time. */
const autoMostMs = 800;

/** The ack spread in ms for a wish of the command line. */
export function ackSpreadOf(wish: "auto" | number, expectation: Expectation | null): number {
  if (wish !== "auto") return wish;
  const hosts = expectation === null
    ? 0
    : expectation.kind === "count"
    ? expectation.count
    : expectation.names.length;
  return Math.min(autoMostMs, Math.floor(hosts * 1_000 / acksPerSecond));
}
