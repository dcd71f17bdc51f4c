/** How a run ended: every host's result, who is missing, the exit code. */
import type { Action } from "../wire/request.ts";
import type { ExchangeRecord, TargetRecord } from "./exchange.ts";
import { RollCall } from "./expectation.ts";
import { type HostResult, isWell, judgeHost } from "./hosts.ts";
import type { Plan } from "./preparation.ts";

/** The sender's exit codes; `--help` has them too. */
export const exitCode = {
  /** All expected hosts have confirmed and healed. */
  healed: 0,
  nothingSent: 1,
  /** Usage, key or configuration. */
  usage: 2,
  /** Sent, but hosts are missing, failed or stuck. */
  incomplete: 3,
} as const;
export type ExitCode = typeof exitCode[keyof typeof exitCode];

/** A run, at its end or so far. */
export interface Outcome {
  readonly plan: Plan;
  readonly record: ExchangeRecord;
  readonly hosts: readonly HostResult[];
  readonly missingCount: number;
  /** Names of the missing, if names were expected. */
  readonly missingNames: readonly string[];
  readonly exitCode: ExitCode;
}

/** What the hosts were asked for. */
export function actionOf({ plan: { content } }: Outcome): Action | "password" {
  return content.kind === "password" ? "password" : content.requests[0].action;
}

/** The outcome of an exchange, at its end or so far. Nobody acknowledges a password. */
export function outcomeOf(plan: Plan, record: ExchangeRecord): Outcome {
  const hosts = Array.from(record.hosts.values(), (host) => judgeHost(host, plan.ownership));
  const sent = sentCode(record.targets, plan.faults);
  if (plan.content.kind === "password") {
    return { plan, record, hosts, missingCount: 0, missingNames: [], exitCode: sent };
  }
  const rollCall = new RollCall(plan.expectation ?? { kind: "count", count: 1 });
  for (const { name } of hosts) rollCall.note(name);
  const missingCount = rollCall.missingCount();
  const isGood = missingCount === 0 && hosts.every(({ state }) => isWell(state));
  return {
    plan,
    record,
    hosts,
    missingCount,
    missingNames: rollCall.missingNames(),
    exitCode: sent === exitCode.healed && !isGood ? exitCode.incomplete : sent,
  };
}

/**
 * The exit code as far as sending goes. What `--all` found and couldn't reach (an interface that is
 * down) is a remark; what the command line named is not.
 */
function sentCode(targets: readonly TargetRecord[], faults: readonly string[]): ExitCode {
  if (targets.every(({ sent }) => sent === 0)) return exitCode.nothingSent;
  const isLost = targets.some(({ target, sent }) => target.named && sent === 0);
  return isLost || faults.length > 0 ? exitCode.incomplete : exitCode.healed;
}
