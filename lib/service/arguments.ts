/** The service's command line. */
import { type Option, parseCommandLine } from "../command_line.ts";
import { UsageError } from "../errors.ts";

/** What a command line asks for. */
export interface ServiceCommand {
  readonly kind: "help" | "version" | "host-key" | "check" | "run";
  /** Undefined: the platform's own place, if there are settings. */
  readonly configPath: string | undefined;
  readonly simulate: boolean;
}

/** All options; the help names each. */
export const serviceOptions = {
  config: { value: "FILE" },
  check: {},
  simulate: {},
  "host-key": {},
  help: { letter: "h", isLast: true },
  version: {},
} as const satisfies Record<string, Option>;

/** Reads a command line (without the program's name). Throws a `UsageError`. */
export function parseServiceArguments(args: readonly string[]): ServiceCommand {
  const given = parseCommandLine(args, serviceOptions);
  const kinds = ["help", "version", "host-key", "check"] as const;
  const kind = kinds.find((one) => given.has(one)) ?? "run";
  const configPath = given.value("config");
  if (kind === "run" || kind === "check") {
    const [operand] = given.operands;
    if (operand !== undefined) throw new UsageError(`Unknown argument "${operand}"`);
    if (configPath === "") throw new UsageError("Option --config must not be empty");
  }
  return { kind, configPath, simulate: given.has("simulate") };
}

/** The help text on a system. */
export function serviceUsageOn(os: typeof Deno.build.os): string {
  return os === "windows" ? windowsServiceUsage : serviceUsage;
}

/** Options that are the same everywhere. */
const commonOptions = `\
  --check        print the settings in effect, or every error in them, and exit
  --simulate     flush a neighbor cache in memory, not the real one; listens on
                 127.0.0.1 unless Listen is set
  --host-key     print this host's public key and exit
  --help         print this text and exit
  --version      print the version and exit
`;

/** The help text where a console or systemd is the host. */
const serviceUsage = `ArpFlush service: flushes this host's neighbor cache on request

Usage: arpflush-service [options]

  --config FILE  settings (TOML); default: /etc/arpflush/arpflush.toml, if there
${commonOptions}
SIGHUP reads the settings again, SIGTERM and Ctrl+C end the service.
Exit status: 0 ended as asked, 1 failure, 2 wrong options or settings.

Which routers it obeys, in /etc/arpflush/arpflush.toml:
  RouterKeys = ["arpflush-public-..."]
`;

/** The help text on Windows. */
const windowsServiceUsage = `ArpFlush service: flushes this host's neighbor cache on request

Usage: arpflush-service.exe [options]

  --config FILE  settings from a file (TOML) instead of the registry
${commonOptions}
Settings: HKLM\\SOFTWARE\\NPSL\\ArpFlush, with RouterKeys among them.
Started by hand it runs in the console until Ctrl+C. As a service it obeys:
  sc.exe stop ArpFlush
  sc.exe control ArpFlush 128            flush now
  sc.exe control ArpFlush paramchange    read the settings again
Exit status: 0 ended as asked, 1 failure, 2 wrong options or settings.

install.ps1 installs the service and lists the routers' public keys.
`;
