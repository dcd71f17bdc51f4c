/** Running the programs that packages are made by. */

/** How a tool is run. */
export interface ToolOptions {
  /** Where. @default here */
  readonly cwd?: string;
  /** What it dates its work by, in seconds since 1970. @default the present */
  readonly epoch?: number;
  /** For its standard input. @default nothing */
  readonly input?: string;
}

/**
 * Runs a tool to its end, in no language and no time zone but UTC, and gives what it printed. Throws an
 * Error of one line in its own words when it fails or isn't there.
 */
export async function runTool(
  program: string,
  args: readonly string[],
  { cwd, epoch, input = "" }: ToolOptions = {},
): Promise<string> {
  const dated = epoch === undefined ? undefined : { SOURCE_DATE_EPOCH: String(epoch) };
  const env = { LC_ALL: "C", TZ: "UTC", ...dated };
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program, { args: [...args], cwd, env, ...streams }).spawn();
  const writing = new Blob([input]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program}: ${decoder.decode(stderr).trim().split("\n")[0]}`);
  await writing;
  return decoder.decode(stdout);
}
