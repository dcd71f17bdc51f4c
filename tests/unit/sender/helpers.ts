/** Builders for the sender's tests: interfaces, plans, and records of runs that have ended. */
import assert from "node:assert/strict";
import { type AskResult, noAsk } from "../../../lib/ask/verdicts.ts";
import type { ExchangePlan, ExchangeRecord, Uncounted } from "../../../lib/sender/exchange.ts";
import { parseArguments, type SendOptions } from "../../../lib/sender/arguments.ts";
import type { TargetOutcome } from "../../../lib/sender/datagram_port.ts";
import { ExpectedHosts, parseExpectedHosts } from "../../../lib/sender/expectation.ts";
import {
  type Answer,
  type AskedRequest,
  Hosts,
  type HostsOptions,
} from "../../../lib/sender/hosts.ts";
import { type EndedRun, endedRun } from "../../../lib/sender/history.ts";
import { type Outcome, outcomeOf } from "../../../lib/sender/outcome.ts";
import type { Plan } from "../../../lib/sender/preparation.ts";
import { parseHost } from "../../../lib/sender/targets.ts";
import { compareAnswers } from "../../../lib/sender/verdict.ts";
import {
  type AddressPrefix,
  type OwnInterface,
  ownInterfaces,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { answer, asked, isOwnMac, reports } from "./answers.ts";
import { hostKey, planned, signed } from "./virtual_run.ts";

export const prefix: (text: string) => AddressPrefix = parsePrefix;

/**
 * Interfaces from `name address/length mac` lines, as `Deno.networkInterfaces()` lists them. Without
 * a mac e0 has 02:00:00:00:00:02, e1 02:00:00:00:00:03, and others have none.
 */
export function interfaces(...lines: readonly string[]): OwnInterface[] {
  return ownInterfaces(lines.map((line) => {
    const [name, cidr, mac] = line.split(" ");
    const own = { e0: "02:00:00:00:00:02", e1: "02:00:00:00:00:03" }[name];
    const address = cidr.split("/")[0];
    return { name, cidr, address, mac: mac ?? own ?? "00:00:00:00:00:00" };
  }));
}

/** A router with two links and a virtual address on each. */
export const router = interfaces(
  "lo 127.0.0.1/8",
  "lo ::1/128",
  "e0 192.0.2.2/24",
  "e0 192.0.2.1/32",
  "e0 fe80::2/64",
  "e0 2001:db8::2/64",
  "e1 198.51.100.2/25 02:00:00:00:01:02",
  "e1 fe80::12/64 02:00:00:00:01:02",
  "tun0 10.8.0.1/24",
);

/** The hosts of an --expect file. */
export const expectedOf = (text: string) => new ExpectedHosts(parseExpectedHosts(text));

/** So many hosts, whoever they are; null: as without `--expect`. */
export const countOf = (count: number | null) => new ExpectedHosts([], count);

const command = parseArguments(["-a"]);
assert.ok(command.kind === "send");

/** The options of `-a`. */
export const defaultOptions: SendOptions = command.options;

/** A plan of five copies, a second apart, to one broadcast address. */
function planOf(
  changes: Partial<Omit<Plan, "exchange" | "options">> & {
    readonly exchange?: Partial<ExchangePlan>;
    readonly options?: Partial<SendOptions>;
  } = {},
): Plan {
  return {
    isOwnLinkLayerAddress: isOwnMac,
    learned: { known: new Set(), failed: false },
    faults: [],
    hindrances: [],
    warnings: [],
    opening: "",
    ...changes,
    options: { ...defaultOptions, ...changes.options },
    exchange: {
      content: signed(planned()),
      udpPort: 27735,
      schedule: { count: 5, intervalMs: 1_000 },
      waitMs: 2_000,
      expected: countOf(null),
      wasSentTo: () => true,
      isOwnAddress: () => false,
      compare: () => 0,
      ...changes.exchange,
    },
  };
}

/** The hosts of a run without answers, in which nobody is expected. */
export function createHosts(
  options: Partial<HostsOptions> & Pick<HostsOptions, "requests">,
): Hosts {
  return new Hosts({
    expected: countOf(null),
    isOwn: () => false,
    compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
    ...options,
  });
}

/** An answer of the host with a number to the one request of `recordOf()`. */
export interface Answered {
  readonly key: number;
  readonly answer: Answer;
}

/** The request that the records' hosts answered. */
const request: AskedRequest = asked("ab".repeat(16));

/** A record of five copies to one broadcast address, and these answers. */
function recordOf(
  answers: readonly Answered[],
  changes: Partial<ExchangeRecord> & { readonly own?: string } = {},
): ExchangeRecord {
  const { own = "", ...fields } = changes;
  const requests = fields.requests ?? [request];
  const hosts = createHosts({ requests, isOwn: (address) => address === own });
  for (const { key, answer } of answers) {
    hosts.note(hostKey(key).toHex(), answer, requests[0], false);
  }
  return {
    created: endedAt,
    requests,
    copies: 5,
    targets: [targetOutcome("192.0.2.255")],
    hosts,
    uncounted: new Map<Uncounted, number>(),
    elsewhere: new Map(),
    unverified: 0,
    named: new Set(),
    strayPorts: new Set(),
    endedEarly: null,
    hasLostAddresses: false,
    left: [],
    asked: noAsk,
    elapsedMs: 6000.1234,
    ...fields,
  };
}

/** Five copies to a target, as the command line names it. */
export function targetOutcome(
  hostname: string,
  changes: Partial<TargetOutcome> = {},
): TargetOutcome {
  return { target: parseHost(hostname), sent: 5, error: null, ...changes };
}

/** The outcome of a run by its answers and its plan. */
export function outcome(
  answers: readonly Answered[],
  plan: Parameters<typeof planOf>[0] = {},
  record: Parameters<typeof recordOf>[1] = {},
  asked: readonly AskResult[] = [],
) {
  return outcomeOf(
    planOf(plan),
    recordOf(answers, { ...record, asked: { ...noAsk, results: asked } }),
  );
}

/** When the runs of `runOf()` ended: 2026-01-02T03:04:05.006Z. */
export const endedAt = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

/** A run that has ended, as history and metrics have it: on all interfaces unless said otherwise. */
export function runOf(
  result: Outcome | Error,
  options: Partial<Parameters<typeof endedRun>[1]> = {},
): EndedRun {
  const common = {
    interfaceNames: [],
    addresses: null,
    expect: null,
    action: "flush all",
  } as const;
  return endedRun(result, { ...common, ...options }, endedAt);
}

/** What came of asking a host that runs no service for 192.0.2.1. */
export function askResult(
  verdict: AskResult["verdict"],
  changes: Partial<AskResult> = {},
): AskResult {
  return {
    host: "192.0.2.50",
    link: "e0",
    name: null,
    expected: false,
    address: prefix("192.0.2.1"),
    verdict,
    linkLayerAddress: null,
    ms: 5.2,
    ...changes,
  };
}

/** Hosts that ended in different ways. */
export const healed: Answered = {
  key: 1,
  answer: {
    ...answer("flushed", [reports.own], {
      host: "web1",
      entries: 7,
      micros: 800,
      address: "192.0.2.7",
    }),
    ms: 12.4,
  },
};
export const stuck: Answered = {
  key: 2,
  answer: {
    ...answer("flushed", [reports.foreign], { host: "db1", entries: 12, address: "192.0.2.8" }),
    ms: 640,
  },
};
export const failed: Answered = {
  key: 3,
  answer: { ...answer("failed", [], { host: "win1", address: "192.0.2.9" }), ms: 3 },
};
