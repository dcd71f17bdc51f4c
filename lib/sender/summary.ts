/** The outcome in one line, for the end of a report and the system log. */
import { printable } from "../wire/text_field.ts";
import { type ExitCode, exitCode, type Outcome } from "./outcome.ts";
import { type HostState, isWell, verdictText } from "./verdict.ts";

/** How many hosts a line names before it counts the rest. */
const namedMost = 8;

/** `1 copy`, `2 copies`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

const stateWord: Record<HostState, string> = {
  failed: "failed",
  stale: "refused as stale",
  stuck: "STUCK",
  "no answer": "without answer",
  healed: "healed",
  flushed: "flushed",
  alive: "alive",
};

/** What was sent where: `flush of the whole cache, 5 copies to 192.0.2.255`. */
function sentText({ action, copies, targets }: Outcome): string {
  const reached = targets.filter(({ sent, error }) => sent > 0 || error === null).map((
    { target },
  ) => target.hostname);
  const subject = {
    probe: "Probe",
    "flush all": "Flush",
    "flush listed": "Flush of listed addresses",
    password: "Password",
  }[action];
  return reached.length === 0
    ? `${subject} not sent`
    : `${subject}: ${counted(copies, "copy", "copies")} to ${
      reached.slice(0, namedMost).join(", ")
    }${reached.length > namedMost ? ` and ${reached.length - namedMost} more` : ""}`;
}

/**
 * The outcome as a line without a line break: what was sent, how many hosts are in which state, and
 * by name those that something is wrong with.
 */
export function summaryLine(outcome: Outcome): string {
  const { hosts, missingCount, missingNames, targets, faults } = outcome;
  const parts = [sentText(outcome)];
  const states = Map.groupBy(hosts, ({ verdict }) => verdict.state);
  const counts = Array.from(states, ([state, own]) => `${own.length} ${stateWord[state]}`);
  if (missingCount > 0) counts.push(`${missingCount} missing`);
  if (outcome.action !== "password" && outcome.exitCode !== exitCode.nothingSent) {
    parts.push(
      `${counted(hosts.length, "host", "hosts")} answered${counts.length > 0 ? ": " : ""}` +
        counts.join(", "),
    );
  }
  const wrong = hosts.filter(({ verdict }) => !isWell(verdict.state)).map((one) =>
    `${one.host.name} ${verdictText(one.verdict, one.clockOffsetMs)}`
  );
  const named = [...wrong, ...missingNames.map((name) => `${printable(name)} missing`)];
  if (named.length > 0) {
    const more = named.length - namedMost;
    parts.push(named.slice(0, namedMost).join(", ") + (more > 0 ? ` and ${more} more` : ""));
  }
  for (const { target, sent, error } of targets) {
    if (sent === 0 && error !== null) parts.push(`cannot send to ${target.hostname}: ${error}`);
  }
  return [...parts, ...faults].join("; ");
}

/** How loud the system log should be about an exit code. */
export function severityOf(code: ExitCode): "info" | "warning" | "error" {
  return code === exitCode.healed ? "info" : code === exitCode.incomplete ? "warning" : "error";
}
