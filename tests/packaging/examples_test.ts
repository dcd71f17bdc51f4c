/** What an administrator copies, judged by the programs that read it. */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { usage } from "../../lib/sender/help.ts";
import { serviceUsageOn } from "../../lib/service/arguments.ts";
import { root } from "../../packaging/programs.ts";
import { isInstalled, outcomeOf } from "../support/command.ts";

/** Runs `check` with the path of a file that has this text and is gone afterwards. */
async function withFile<Result>(
  name: string,
  text: string,
  check: (path: string, folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-example-" });
  try {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return await check(`${folder}/${name}`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Has systemd's own tool judge the unit, with a program that every machine has. */
async function analyzeUnit(
  name: string,
  ...args: string[]
): Promise<{ code: number; said: string }> {
  const unit = await Deno.readTextFile(`${root}/packaging/${name}`);
  const text = unit.replace(/^ExecStart=(.*\\\n)*.*$/m, "ExecStart=/bin/true");
  return await withFile(name, text, async (path) => {
    const { code, stdout, stderr } = await outcomeOf(["systemd-analyze", ...args, path]);
    return { code, said: stdout + stderr };
  });
}

const ignore = !await isInstalled("systemd-analyze", "groff");

for (const unit of ["arpflush.service", "arpflush-router.service", "arpflush-drill.service"]) {
  Deno.test({
    name: `packaging/${unit} is a unit without a fault, and exposes at most 2.5 of 10`,
    ignore,
    async fn() {
      assert.deepEqual(await analyzeUnit(unit, "verify"), { code: 0, said: "" });
      const judged = await analyzeUnit(unit, "security", "--offline=true", "--threshold=25");
      assert.equal(judged.code, 0, judged.said);
    },
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
    await withFile("keepalived.conf", text, async (path, folder) => {
      const line = ["keepalived", `--config-test=${folder}/said`, "-f", path];
      const { code } = await outcomeOf(line);
      const said = await Deno.readTextFile(`${folder}/said`).catch(() => "");
      assert.deepEqual({ code, said }, { code: 0, said: "" });
    });
  },
});

const pages: [name: string, help: string, least: number][] = [
  ["arpflush.1", usage, 6],
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

Deno.test("ci.yml calls scripts, tasks and tests that are there", async () => {
  const workflow = await Deno.readTextFile(`${root}/.github/workflows/ci.yml`);
  const scripts = workflow.matchAll(/run: (\.[\w\\/.]+)/g);
  const tests = workflow.matchAll(/ (tests\/\w[\w/]*)/g);
  for (const [, path] of [...scripts, ...tests]) {
    await Deno.stat(`${root}/${path.replaceAll("\\", "/")}`);
  }
  for (const [, task] of workflow.matchAll(/\$DENO task (\w+)/g)) {
    assert.ok(task in config.tasks, task);
  }
});

Deno.test("gate, workflow, README and Wine's tier name one version of Deno", async () => {
  const files = [".ci/run", ".github/workflows/ci.yml", "README.md", "tests/windows/wine/setup.sh"];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(`${root}/${file}`)));
  const named = texts.map((text) => /(?:\bdeno|@deno\/win32-x64)@([\d.]+)/.exec(text)?.[1]);
  assert.equal(new Set(named).size, 1, named.join(", "));
});
