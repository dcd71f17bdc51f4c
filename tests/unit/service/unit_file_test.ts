/** The unit file, judged by systemd's own tool where there is one. */
import assert from "node:assert/strict";

const unit = Deno.readTextFileSync(new URL("../../../packaging/arpflush.service", import.meta.url));

async function hasTool(): Promise<boolean> {
  try {
    return (await new Deno.Command("systemd-analyze", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

const ignore = !await hasTool();
if (ignore) console.log("systemd-analyze is not here: the unit file is not verified");

/** Runs the tool on the unit, with a program that exists in place of the one to be installed. */
async function analyze(...args: string[]): Promise<{ success: boolean; output: string }> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/arpflush.service`;
  await Deno.writeTextFile(path, unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"));
  const { success, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: [...args, path],
  }).output();
  await Deno.remove(folder, { recursive: true });
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test({
  name: "arpflush.service is a unit without a fault",
  ignore,
  async fn() {
    assert.deepEqual(await analyze("verify"), { success: true, output: "" });
  },
});

Deno.test({
  name: "arpflush.service exposes at most 2.5 of 10",
  ignore,
  async fn() {
    const { success, output } = await analyze("security", "--offline=true", "--threshold=25");
    assert.ok(success, output);
  },
});
