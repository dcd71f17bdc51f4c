/** Runs a script on the two machines of machines.sh. */
import { readmeSteps } from "./page_commands.ts";

const root = new URL("../../", import.meta.url);

/** What a script left behind: stdout, and behind it stderr. */
interface ScriptOutcome {
  readonly code: number;
  readonly text: string;
}

/**
 * Packs by the README's first step, then runs a script of this folder in namespaces of its own; it
 * gets a folder with these files, and the arguments. After `seconds` it is ended.
 */
export async function outcomeIn(
  script: string,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
  seconds: number,
): Promise<ScriptOutcome> {
  const { steps: [pack] } = await readmeSteps();
  const packed = await output("bash", ["-euc", pack]);
  if (packed.code !== 0) throw new Error(packed.text);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.chmod(folder, 0o755);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const path = `${import.meta.dirname}/${script}`;
    return await output("timeout", [
      ...[`${seconds}`, "unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"],
      ...["--mount-proc", "bash", path, folder, ...args],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function output(program: string, args: readonly string[]): Promise<ScriptOutcome> {
  const command = new Deno.Command(program, { args: [...args], cwd: root, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** What the lab's scripts print: `--- NAME` before the lines of each part. */

/** A script's output by section. */
export function sectionsOf(text: string): Readonly<Record<string, readonly string[]>> {
  const sections = text.split(/^--- /m).slice(1).map((section) => {
    const [name, ...lines] = section.trimEnd().split("\n");
    return [name, lines];
  });
  return Object.fromEntries(sections);
}
