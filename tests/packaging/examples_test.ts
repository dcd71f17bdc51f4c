/** What an administrator copies, judged by the programs that read it. */
import assert from "node:assert/strict";
import { usageOn } from "../../lib/sender/help.ts";
import { serviceUsageOn } from "../../lib/service/arguments.ts";
import { root } from "../../packaging/programs.ts";
import { inFolder, isInstalled, outcomeOf } from "../support/command.ts";

const ignore = !await isInstalled("systemd-analyze", "groff");

for (const unit of ["arpflush.service", "arpflush-router.service", "arpflush-drill.service"]) {
  Deno.test({
    name: `packaging/${unit} is a unit without a fault, and exposes at most 2.5 of 10`,
    ignore,
    fn: () =>
      inFolder(async (folder) => {
        const path = `${folder}/${unit}`;
        const text = await Deno.readTextFile(`${root}/packaging/${unit}`);
        // A program that every machine has.
        const runnable = text.replace(/^ExecStart=(.*\\\n)*.*$/m, "ExecStart=/bin/true");
        await Deno.writeTextFile(path, runnable);
        const verified = await outcomeOf(["systemd-analyze", "verify", path]);
        assert.deepEqual(verified, { code: 0, stdout: "", stderr: "" });
        const options = ["security", "--offline=true", "--threshold=25"];
        const judged = await outcomeOf(["systemd-analyze", ...options, path]);
        assert.equal(judged.code, 0, judged.stdout + judged.stderr);
      }),
  });
}

Deno.test({
  name: "packaging/keepalived.conf is what keepalived understands",
  ignore: !await isInstalled("keepalived"),
  async fn() {
    const example = await Deno.readTextFile(`${root}/packaging/keepalived.conf`);
    // A program and a user that every machine has.
    const text = example.replaceAll("/opt/arpflush/arpflush", "/bin/true")
      .replace("#vrrp_notify_fifo", "vrrp_notify_fifo")
      .replace("enable_script_security", "$&\n    script_user root");
    await inFolder(async (folder) => {
      const path = `${folder}/keepalived.conf`;
      await Deno.writeTextFile(path, text);
      const line = ["keepalived", `--config-test=${folder}/said`, "-f", path];
      const { code } = await outcomeOf(line);
      const said = await Deno.readTextFile(`${folder}/said`).catch(() => "");
      assert.deepEqual({ code, said }, { code: 0, said: "" });
    });
  },
});

const pages: [name: string, help: string, least: number][] = [
  ["arpflush.1", usageOn("unix"), 6],
  ["arpflush-service.8", serviceUsageOn("linux"), 6],
  // Its options are arpflush's.
  ["arpflush-router.8", "", 0],
];
for (const [name, help, least] of pages) {
  Deno.test({
    name: `packaging/man/${name} has every option of --help, and groff has no complaint`,
    ignore,
    async fn() {
      const page = `${root}/packaging/man/${name}`;
      const checked = await outcomeOf(["groff", "-man", "-ww", "-Tascii", "-P-cbou", page]);
      assert.deepEqual({ code: checked.code, said: checked.stderr }, { code: 0, said: "" });
      const terms = checked.stdout.split("\n").filter((line) => /^ {7}-/.test(line)).join("\n");
      const options = new Set(help.match(/(?<![\w-])(--[a-z][\w-]*|-\w(?=, --))/g));
      assert.ok(options.size >= least);
      for (const option of options) {
        assert.match(terms, new RegExp(`(^|[ ,])${option}($|[ ,])`, "m"));
      }
    },
  });
}
