/** The manual pages: each option has its entry, and the formatter has no complaint. */
import assert from "node:assert/strict";
import { usage } from "../../lib/sender/help.ts";
import { serviceUsage } from "../../lib/service/arguments.ts";
import { root } from "../../packaging/programs.ts";
import { isInstalled, outcomeOf } from "../support/command.ts";

const ignore = !await isInstalled("groff");

for (const [name, help] of [["arpflush.1", usage], ["arpflush-service.8", serviceUsage]]) {
  Deno.test({
    name: `packaging/man/${name} has every option of --help, and groff has no complaint`,
    ignore,
    async fn() {
      const page = `${root}/packaging/man/${name}`;
      const checked = await outcomeOf(["groff", "-man", "-ww", "-Tascii", "-P-cbou", page]);
      assert.deepEqual({ code: checked.code, said: checked.stderr }, { code: 0, said: "" });
      const terms = checked.stdout.split("\n").filter((line) => /^ {7}-/.test(line)).join("\n");
      const options = new Set(help.match(/(?<![\w-])(--[a-z][\w-]*|-\w(?=, --))/g));
      assert.ok(options.size >= 6);
      for (const option of options) {
        assert.match(terms, new RegExp(`(^|[ ,])${option}($|[ ,])`, "m"));
      }
    },
  });
}
