/** The six steps of the README by copy and paste, in two namespaces. */
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));
const steps = /## Set it up in six steps\n(.*?)\n## /s.exec(readme)?.[1] ?? "";

/** The commands of each numbered step, without their indentation. */
const commands = [...steps.matchAll(/^ {3}```sh\n(.*?)^ {3}```$/gms)]
  .map(([, block]) => block.replaceAll(/^ {3}/gm, ""));

Deno.test("README: the six steps lead from nothing to a healed host", async () => {
  assert.equal(commands.length, 6);
  const notify = /notify_master "(.*)"/.exec(steps)?.[1] ?? "";
  const packed = await output("bash", ["-euc", commands[0]]);
  assert.equal(packed.code, 0, packed.text);
  const folder = await Deno.makeTempDir();
  try {
    for (const [i, text] of commands.entries()) {
      await Deno.writeTextFile(`${folder}/${i + 1}`, text.replaceAll("@HOST", "@$HOST"));
    }
    const script = new URL("readme_steps.sh", import.meta.url).pathname;
    const { code, text } = await output("timeout", [
      ...["60", "unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"],
      ...["--mount-proc", "bash", script, folder, notify],
    ]);
    assert.equal(code, 0, text);
    const [before, after] = text.split("--- as keepalived would");
    assert.match(before, /^sql01 +192\.0\.2\.10 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:99$/m);
    assert.match(after, /^sql01 +192\.0\.2\.10 .* healed$/m);
    const own = /^e0\S* +UP +(\S+)/m.exec(after)?.[1];
    assert.match(after, new RegExp(`^192\\.0\\.2\\.1 dev e0 lladdr ${own} `, "m"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function output(
  program: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const command = new Deno.Command(program, { args: [...args], cwd: root, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stderr) + decoder.decode(stdout) };
}
