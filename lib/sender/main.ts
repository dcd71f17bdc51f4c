/**
 * The sender from argv to exit code: parse, prepare, send, outcome, report. Until the first datagrams
 * are with the system it loads and does nothing that they don't need; report, system log and help
 * are loaded when they are used.
 */
import { messageOf, RunError, UsageError } from "../errors.ts";
import { systemTime } from "../time.ts";
import { ownInterfaces } from "../wire/addresses.ts";
import { verifySignature } from "../wire/ed25519_web.ts";
import { parseArguments, type SendOptions } from "./arguments.ts";
import { datagramPortOpener } from "./datagram_port.ts";
import { exchange } from "./exchange.ts";
import { exitCode, outcomeOf } from "./outcome.ts";
import { say, write } from "./output.ts";
import { type Plan, prepare } from "./preparation.ts";
import type { Reporter } from "./report.ts";

/** Runs a command line (without the program's name) and resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    switch (command.kind) {
      case "send":
        return await send(command.options);
      case "nothing":
        if (command.verbose) say(command.line);
        return exitCode.good;
      default:
        return await (await import("./help.ts")).runInformation(command);
    }
  } catch (error) {
    return await fail(error, args.includes("--syslog"));
  }
}

async function send(options: SendOptions): Promise<number> {
  const plan = await prepare(options, ownInterfaces(Deno.networkInterfaces()), Deno.hostname());
  let reporter: Promise<Reporter | null> | undefined;
  const report = () => reporter ??= loadReporter(options, plan);
  const crypt = { sign: signWith(plan), verify: verifySignature };
  const openPort = datagramPortOpener(options.sourcePorts);
  const record = await exchange(plan.exchange, openPort, systemTime, crypt, (event, soFar) => {
    report().then((loaded) => loaded?.event(event, () => outcomeOf(plan, soFar)))
      .catch((error) => say(`Cannot report: ${messageOf(error)}`));
  });
  const loaded = await report();
  if (loaded === null) return outcomeOf(plan, record, ["the report could not be loaded"]).exitCode;
  return await loaded.end(record);
}

/** A password's plan has no signer, and nothing to sign. */
function signWith({ signer }: Plan): (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array> {
  return (message) => {
    if (signer === null) throw new Error("Cannot sign: this run has no key");
    return signer.sign(message);
  };
}

/** The reporter; null if it can't be loaded: the copies go out all the same. */
async function loadReporter(options: SendOptions, plan: Plan): Promise<Reporter | null> {
  try {
    return new (await import("./report.ts")).Reporter(options, plan);
  } catch (error) {
    say(`Cannot load the report: ${messageOf(error)}`);
    return null;
  }
}

/** Says why nothing was sent, to the system log too if that was asked for. */
async function fail(error: unknown, toSystemLog: boolean): Promise<number> {
  const isRefused = error instanceof Deno.errors.NotCapable;
  if (!(isRefused || error instanceof UsageError || error instanceof RunError)) throw error;
  const message = isRefused ? permissionText(error) : error.message;
  say(message);
  if (error instanceof UsageError) write("stderr", "Try --help\n");
  if (toSystemLog) await (await import("./syslog.ts")).logToSystem("error", message);
  return error instanceof RunError ? error.exitCode : exitCode.usage;
}

/** `Requires sys access to "hostname", run again with the --allow-sys flag` is Deno's text. */
function permissionText({ message }: Error): string {
  const set = Deno.build.os === "windows" ? "sender-windows" : "sender";
  return `${message.split(", run again")[0]}: run it as deno run -P=${set} send.ts …`;
}
