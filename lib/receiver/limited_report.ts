/** A report of one event that anybody on the network could cause: at most once a minute. */
import type { EventName, EventValues, Report } from "../log/events.ts";
import { createRateLimit } from "./rate_limit.ts";

const everyMs = 60_000;

/** Reports the first event of its kind, then at most one a minute by the monotonic clock in ms. */
export function createLimitedReport(
  report: Report,
  event: EventName,
  now: () => number,
): (values: () => EventValues) => void {
  const passes = createRateLimit(1, everyMs);
  return (values) => {
    if (passes(now())) report(event, values());
  };
}
