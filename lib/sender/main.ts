/**
 * The sender from argv to exit code. Until the first datagrams are with the system it loads and does
 * nothing that they don't need; report, system log and help are loaded when they are used.
 */
import { RunError, UsageError } from "../errors.ts";
import { parseArguments, type SendOptions } from "./arguments.ts";
import { exitCode } from "./outcome.ts";
import { say, write } from "./output.ts";
import { run } from "./run.ts";

/** Runs a command line (without the program's name) and resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    switch (command.kind) {
      case "send":
        return await send(command.options);
      case "follow":
        return await (await import("../follow/follow.ts")).follow(command.fifo, command.options);
      case "nothing":
        if (command.verbose) say(command.line);
        return exitCode.good;
      case "history":
        return await (await import("./history.ts")).showHistory(command.path, command.json);
      default:
        return await (await import("./help.ts")).runInformation(command);
    }
  } catch (error) {
    return await fail(error, args);
  }
}

async function send(options: SendOptions): Promise<number> {
  if (options.unlessFollowing && await (await import("../follow/presence.ts")).isFollowed()) {
    if (!options.quiet) say("Nothing sent: a process that follows keepalived does it");
    return exitCode.good;
  }
  const ending = new AbortController();
  return (await run(options, ending.signal, () => endBySignal(ending))).exitCode;
}

/** Ends a run with its report at Ctrl-C or SIGTERM; a second one ends the process. */
function endBySignal(ending: AbortController) {
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  const end = () => {
    for (const signal of signals) Deno.removeSignalListener(signal, end);
    ending.abort("interrupted");
  };
  for (const signal of signals) Deno.addSignalListener(signal, end);
}

/** Says why nothing was sent, to the system log too if that was asked for. */
async function fail(error: unknown, args: readonly string[]): Promise<number> {
  const isRefused = error instanceof Deno.errors.NotCapable;
  if (!(isRefused || error instanceof UsageError || error instanceof RunError)) throw error;
  const message = isRefused ? permissionText(error, args) : error.message;
  say(message);
  if (error instanceof UsageError) write("stderr", "Try --help\n");
  if (args.includes("--syslog")) {
    await (await import("../unix_datagram.ts")).logToSystem("error", message);
  }
  return error instanceof RunError ? error.exitCode : exitCode.usage;
}

/** `Requires sys access to "hostname", run again with the --allow-sys flag` is Deno's text. */
function permissionText({ message }: Error, args: readonly string[]): string {
  const isFollower = args.some((arg) => arg.startsWith("--follow"));
  const set = Deno.build.os === "windows" ? "sender-windows" : isFollower ? "router" : "sender";
  return `${message.split(", run again")[0]}: run it as deno run -P=${set} send.ts …`;
}
