/**
 * The sender from argv to exit code. Until the first datagrams are with the system it loads and does
 * nothing that they don't need; report, system log and help are loaded when they are used.
 */
import { RunError, UsageError } from "../errors.ts";
import { parseArguments } from "./arguments.ts";
import { exitCode } from "./outcome.ts";
import { say, write } from "./output.ts";
import { run } from "./run.ts";

/** Runs a command line (without the program's name) and resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    switch (command.kind) {
      case "send":
        return (await run(command.options)).exitCode;
      case "nothing":
        if (command.verbose) say(command.line);
        return exitCode.good;
      case "history":
        return await (await import("./history.ts")).showHistory(command.path, command.json);
      default:
        return await (await import("./help.ts")).runInformation(command);
    }
  } catch (error) {
    return await fail(error, args.includes("--syslog"));
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
