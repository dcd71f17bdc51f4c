/** Prometheus' own judge of metrics and rules. */

/** Whether a machine has it. Says once where it doesn't; the tests that need it are skipped then. */
export const hasPromtool = await (async () => {
  try {
    return (await new Deno.Command("promtool", { args: ["--version"] }).output()).success;
  } catch {
    console.log(
      "promtool is not here (Debian's package prometheus has it): nothing is checked by it",
    );
    return false;
  }
})();

/** Runs it; `output` is all that it said. */
export async function promtool(
  args: readonly string[],
  input = "",
  cwd?: string,
): Promise<{ readonly success: boolean; readonly output: string }> {
  const command = new Deno.Command("promtool", {
    args: [...args],
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}
