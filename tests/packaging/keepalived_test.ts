/** The example for keepalived, judged by keepalived itself. */
import assert from "node:assert/strict";
import { root } from "../../packaging/programs.ts";
import { outcomeOf } from "../support/command.ts";
import { ignoreWithout } from "./tools.ts";

Deno.test({
  name: "packaging/keepalived.conf is what keepalived understands",
  ignore: await ignoreWithout("keepalived"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "arpflush-keepalived-" });
    try {
      const example = await Deno.readTextFile(`${root}/packaging/keepalived.conf`);
      // A program and a user that are on every machine.
      const text = example.replaceAll("/opt/arpflush/arpflush", "/bin/true")
        .replace("enable_script_security", "$&\n    script_user root");
      await Deno.writeTextFile(`${folder}/keepalived.conf`, text);
      const line = [
        "keepalived",
        `--config-test=${folder}/said`,
        "-f",
        `${folder}/keepalived.conf`,
      ];
      const { code } = await outcomeOf(line);
      const said = await Deno.readTextFile(`${folder}/said`).catch(() => "");
      assert.deepEqual({ code, said }, { code: 0, said: "" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
