/**
 * A host of the segment whose service can be hurt: its `ip` is a script that a test replaces, its
 * streams can be redirected, and its process id is known.
 */
import { run } from "../support/command.ts";
import { type ServiceProcess, startServiceProcess } from "../support/programs.ts";
import { folder, type Host, settingsText } from "./chain.ts";

/** The key file of the segment's router. */
export const keyFile = `${folder}/key`;

/** How its service is started. */
interface Start {
  /** Redirections in the shell's syntax: `2>/dev/full`. @default none */
  readonly redirection?: string;
  /** A shell command that the service's process executes first. @default none */
  readonly before?: string;
}

export interface FaultyHost extends AsyncDisposable {
  /** What `ip` is from now on: a shell script, or missing for null. */
  replaceIp(script: string | null): Promise<void>;
  /** The script that makes `ip` work. */
  readonly workingIp: string;
  /** Starts a service with these lines of settings; doesn't wait until it listens. */
  startService(settings?: readonly string[], start?: Start): Promise<ServiceProcess>;
  /** The process id of the service started last. */
  pid(): Promise<number>;
  /** Replaces the settings; a reload reads them. */
  writeSettings(lines: readonly string[]): Promise<void>;
}

/** Prepares a host with a working `ip`; its files are in /run/faulty-NAME. */
export async function openFaultyHost(
  { namespace, stateFolder }: Host,
  name: string,
): Promise<FaultyHost> {
  const place = `/run/faulty-${name}`;
  const settingsFile = `${place}/arpflush.toml`;
  const realIp = (await run(["sh", "-c", "command -v ip"])).trim();
  const workingIp = `exec ${realIp} "$@"`;
  await Deno.mkdir(place);

  /** Renamed into place: a script that is being written can't be executed. */
  async function replaceFile(path: string, text: string, mode: number): Promise<void> {
    await Deno.writeTextFile(`${path}.new`, text, { mode });
    await Deno.rename(`${path}.new`, path);
  }
  function replaceIp(script: string | null): Promise<void> {
    if (script === null) return Deno.remove(`${place}/ip`);
    const text = `#!/bin/sh\nPATH=${Deno.env.get("PATH")}\n${script}\n`;
    return replaceFile(`${place}/ip`, text, 0o755);
  }
  function writeSettings(lines: readonly string[]): Promise<void> {
    return replaceFile(settingsFile, settingsText(lines), 0o600);
  }
  await replaceIp(workingIp);

  return {
    replaceIp,
    workingIp,
    writeSettings,
    async startService(settings = [], { redirection = "", before = ":" } = {}) {
      await writeSettings(settings);
      const script = `${before}; echo $$ > ${place}/pid; exec "$@" ${redirection}`;
      const shell = ["env", `PATH=${place}`, "/bin/sh", "-c", script, "sh"];
      const argv = [...namespace.argv, ...shell];
      const env = { STATE_DIRECTORY: stateFolder };
      return startServiceProcess({ argv, args: ["--config", settingsFile], env });
    },
    pid: async () => Number(await Deno.readTextFile(`${place}/pid`)),
    [Symbol.asyncDispose]: () => Deno.remove(place, { recursive: true }),
  };
}
