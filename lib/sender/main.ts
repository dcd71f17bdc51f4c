/**
 * The sender from argv to exit code. Until the first datagrams are with the system it loads and
 * does nothing that they don't need; reports, log and help are loaded when they are used.
 */
import { messageOf, RunError, UsageError } from "../errors.ts";
import { systemTime } from "../time.ts";
import { ownInterfaces } from "../wire/addresses.ts";
import { encodeLegacyRequest } from "../wire/legacy.ts";
import { parseArguments, type SendOptions } from "./arguments.ts";
import { openDatagramPort } from "./datagram_port.ts";
import { ackSpreadOf, exchange, sendCopies } from "./exchange.ts";
import { exitCode, outcomeOf, passwordOutcome } from "./outcome.ts";
import { say, write } from "./output.ts";
import {
  type Preparation,
  prepare,
  readExpectation,
  readPassword,
  readSigningKey,
} from "./preparation.ts";
import type { Reporter } from "./report.ts";

/** Runs a command line (without the program's name) and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    if (command.kind === "send") return await send(command.options);
    if (command.kind === "nothing") {
      if (command.verbose) say(command.line);
      return exitCode.healed;
    }
    const { runInformation } = await import("./help.ts");
    return runInformation(command.kind);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof RunError)) throw error;
    say(error.message);
    if (error instanceof UsageError) write("stderr", "Try --help\n");
    // Asked of argv itself: keepalived's log should have a usage error, too.
    if (args.includes("--syslog")) {
      const { logToSystem } = await import("./syslog.ts");
      await logToSystem("error", error.message);
    }
    return error instanceof RunError ? error.exitCode : exitCode.usage;
  }
}

async function send(options: SendOptions): Promise<number> {
  const prepared = prepare(options, ownInterfaces(Deno.networkInterfaces()));
  const { secret } = options;
  if (secret.kind === "key file") return await sendRequest(options, secret.path, prepared);
  const password = secret.kind === "password" ? secret.password : readPassword(secret.path);
  return await sendPassword(options, password, prepared);
}

/** The reporter once it is loaded; null if it can't be: the copies go out all the same. */
async function startReporter(
  options: SendOptions,
  warnings: readonly string[],
  opening: string,
): Promise<Reporter | null> {
  try {
    const reporter = await import("./report.ts");
    return reporter.startReporter(options, { warnings, opening });
  } catch (error) {
    say(`Cannot load the report: ${messageOf(error)}`);
    return null;
  }
}

async function sendRequest(
  options: SendOptions,
  keyPath: string,
  prepared: Preparation,
): Promise<number> {
  const { action, port: udpPort, count, intervalMs, waitMs } = options;
  const { targets, addresses } = prepared;
  const key = readSigningKey(keyPath);
  const expectation = readExpectation(options.expect);
  const sender = Deno.hostname();
  const request = {
    action,
    acknowledge: true,
    report: prepared.report,
    ackSpreadMs: ackSpreadOf(options.spread, expectation),
    sender,
    addresses,
  };
  const schedule = { count, intervalMs };
  const plan = { request, key, targets, udpPort, schedule, waitMs, expectation };
  const context = { ...prepared, action, keyId: key.idText, expectation };
  const opening = `Key ${key.idText}, to ${targets.map(({ hostname }) => hostname).join(", ")}`;
  let reporter: Promise<Reporter | null> | undefined;
  const report = () =>
    reporter ??= startReporter(options, [...prepared.faults, ...prepared.warnings], opening);
  const record = await exchange(plan, openDatagramPort, systemTime, (event, soFar) => {
    report().then((started) => started?.event(event, () => outcomeOf(soFar, context)))
      .catch((error) => say(`Cannot report: ${messageOf(error)}`));
  });
  const outcome = outcomeOf(record, context);
  await (await report())?.end(outcome);
  return outcome.exitCode;
}

async function sendPassword(
  options: SendOptions,
  password: string,
  { targets: chosen, faults, warnings }: Preparation,
): Promise<number> {
  const { port: udpPort, count, intervalMs } = options;
  const legacyWarnings = [
    ...faults,
    ...warnings,
    "Anyone on the wire can read this password and repeat it",
    ...options.secret.kind === "password"
      ? ["Anyone on this machine can read it among the arguments: use --password-file"]
      : [],
  ];
  const targets = chosen.map((target) => ({ target, sent: 0, error: null }));
  const created = systemTime.wall();
  const start = systemTime.monotonic();
  const port = openDatagramPort(() => {});
  const never = new AbortController().signal;
  let reporter: Promise<Reporter | null> | undefined;
  const report = () =>
    reporter ??= startReporter(options, legacyWarnings, "2009 datagram, no acks");
  const copies = await sendCopies(
    encodeLegacyRequest(password),
    targets,
    udpPort,
    { count, intervalMs },
    port,
    systemTime,
    never,
    () => void report(),
  );
  port.close();
  const elapsedMs = systemTime.monotonic() - start;
  const outcome = passwordOutcome({ created, elapsedMs, copies, targets, faults });
  await (await report())?.end(outcome);
  return outcome.exitCode;
}
