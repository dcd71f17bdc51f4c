/** The unit file, judged by systemd's own tool where there is one. */
import assert from "node:assert/strict";
import { isInstalled, outcomeOf } from "../../support/command.ts";

const unit = Deno.readTextFileSync(new URL("../../../packaging/arpflush.service", import.meta.url));

const ignore = !await isInstalled("systemd-analyze");
if (ignore) console.log("systemd-analyze is not here: the unit file is not verified");

/** Runs the tool on the unit, with a program that exists in place of the one to be installed. */
async function analyze(...args: string[]): Promise<{ success: boolean; output: string }> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/arpflush.service`;
  await Deno.writeTextFile(path, unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"));
  const { code, stdout, stderr } = await outcomeOf(["systemd-analyze", ...args, path]);
  await Deno.remove(folder, { recursive: true });
  return { success: code === 0, output: stdout + stderr };
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
