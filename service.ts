/** Entry of the service: wires the rooms of lib/, nothing else. See --help. */
import { UsageError } from "./lib/errors.ts";
import { parseServiceArguments, serviceUsageOn } from "./lib/service/arguments.ts";
import { versionText } from "./lib/version.ts";

async function main(args: readonly string[]): Promise<number> {
  const command = parseServiceArguments(args);
  switch (command.kind) {
    case "help":
      console.log(serviceUsageOn(Deno.build.os).trimEnd());
      return 0;
    case "version":
      console.log(versionText("arpflush-service").trimEnd());
      return 0;
    default:
      // Asked for here, so that a missing permission is one line and not a failure further in.
      Deno.hostname();
      // What follows loads the heavy parts.
      if (Deno.build.os === "windows") {
        return (await import("./lib/service/windows_program.ts")).runWindowsProgram(command);
      }
      return (await import("./lib/service/program.ts")).runProgram(command);
  }
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`arpflush-service: ${error.message}\nTry --help`);
  } else if (error instanceof Deno.errors.NotCapable) {
    const set = Deno.build.os === "windows" ? "service-windows" : "service";
    const [reason] = error.message.split(", run again");
    console.error(`arpflush-service: ${reason}: run it as deno run -P=${set} service.ts`);
  } else throw error;
  Deno.exit(2);
}
