/**
 * A host of the segment whose service stands on shaky ground: an `ip` that is a script, streams that
 * can't be written, limits. It tells its process id, so that it can be hurt.
 */
import { folder, type Host } from "../net/chain.ts";
import { run } from "../support/command.ts";
import { type ServiceProcess, startServiceProcess } from "../support/programs.ts";

/** The key file of the segment. */
export const keyFile = `${folder}/key`;

/** Where a service's process id is told, and an `ip` that can be changed. */
export interface Ground extends AsyncDisposable {
  /** What `ip` does from now on: a shell script; null: it is missing. */
  become(script: string | null): Promise<void>;
  /** What makes `ip` work. */
  readonly works: string;
  /**
   * Starts a service on the host with these lines of settings; doesn't wait for it. `before` is a
   * shell command that its process executes first.
   */
  start(
    settings?: readonly string[],
    redirection?: string,
    before?: string,
  ): Promise<ServiceProcess>;
  /** The process id of the service started last. */
  pid(): Promise<number>;
  /** Writes the settings again. */
  settings(lines: readonly string[]): Promise<void>;
}

/** Prepares it on a host. `name` is for its files. */
export async function prepareGround(host: Host, name: string): Promise<Ground> {
  const place = `/run/ground-${name}`;
  const real = (await run(["sh", "-c", "command -v ip"])).trim();
  const works = `exec ${real} "$@"`;
  const file = `${place}/arpflush.toml`;
  await Deno.mkdir(place);

  async function become(script: string | null): Promise<void> {
    if (script === null) return await Deno.remove(`${place}/ip`);
    // Renamed into place: a script that is being written can't be executed.
    const text = `#!/bin/sh\nPATH=${Deno.env.get("PATH")}\n${script}\n`;
    await Deno.writeTextFile(`${place}/ip.new`, text, { mode: 0o755 });
    await Deno.rename(`${place}/ip.new`, `${place}/ip`);
  }
  async function settings(lines: readonly string[]): Promise<void> {
    const text = [`KeyFile = "${keyFile}"`, ...lines, ""].join("\n");
    await Deno.writeTextFile(`${file}.new`, text, { mode: 0o600 });
    await Deno.rename(`${file}.new`, file);
  }
  await become(works);

  return {
    become,
    works,
    settings,
    async start(lines = [], redirection = "", before = ":") {
      await settings(lines);
      const script = `${before}; echo $$ > ${place}/pid; exec "$@" ${redirection}`;
      const argv = [
        ...host.namespace.argv,
        "env",
        `PATH=${place}`,
        "/bin/sh",
        "-c",
        script,
        "sh",
      ];
      return startServiceProcess({ argv, args: ["--config", file] });
    },
    pid: async () => Number(await Deno.readTextFile(`${place}/pid`)),
    [Symbol.asyncDispose]: () => Deno.remove(place, { recursive: true }),
  };
}
