/** Every command of docs/operating.md, and the setup of the README, by copy and paste in two namespaces. */
import assert from "node:assert/strict";
import { inFolder, run } from "../support/command.ts";
import { runScript } from "./apart.ts";
import { blocksOf, pageText, readmeSteps, withVariables } from "./page_commands.ts";

/** What a block does: its exit status, and what it shows. */
interface Expected {
  readonly code?: number;
  readonly shows?: RegExp;
}

const missing = 3;

/** In the page's order; each begins with what its block contains. */
const expected: readonly (readonly [string, Expected])[] = [
  ["arpflush sql01 --probe", {
    code: missing,
    shows: /^sql01 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:99$/m,
  }],
  ["ip neigh show 192.0.2.1", { shows: /^192\.0\.2\.1 dev eth0 lladdr 02:00:00:00:00:99 /m }],
  ["ip -brief address show", { shows: /^eth0.* 192\.0\.2\.1\/32.*\n.*\neth0@.* UP +\S+:/ms }],
  ["ip neigh del", {}],
  ["arpflush/arpflush -a\n", { shows: /^sql01 .* healed$/m }],
  ["systemctl status", {
    shows:
      /active \(running\).*:27735.*Started version .*Flushed all for router.*# Key ids: \w{8}$/ms,
  }],
  ["arpflush --public-key\n", { shows: /^arpflush-public-[\w-]{43}$/m }],
  ["tcpdump", { shows: /^.* IP 192\.0\.2\.\d+\.\d+ > 192\.0\.2\.255\.27735: UDP, length \d+$/m }],
  ["nft insert rule inet filter input ip saddr", {}],
  ["nft insert rule inet filter input udp sport", {}],
  ["--ask -A", { shows: /^sql01 +192\.0\.2\.10 .* (ok|healed)$/m }],
  ["--ask --probe -A", { shows: /^sql01 +192\.0\.2\.10 .* ok$/m }],
  ["printf '%s\\n' sql01 web7", {
    code: missing,
    shows: /^sql01 .* alive$.*^web7 .*missing/ms,
  }],
  ["ln -sf /var/lib/arpflush-router", {}],
  ["runuser -u keepalived_script", {
    code: missing,
    shows: /^sql01 .* alive$.*^web7 .*missing/ms,
  }],
  ["arpflush/arpflush history", { shows: /^TIME .*\n\S+ \S+ +drill +3 +.*: web7 missing$/m }],
  ["MetricsFile", {}],
  ["curl", { shows: /^arpflush_build_info\{.*\} 1$.*^arpflush_start_time_seconds /ms }],
  ["promtool check rules", { shows: /SUCCESS: 11 rules found/ }],
  ["--public-key -k", { shows: /^arpflush-public-[\w-]{43}$/m }],
  ["arpflush-public-NEW", {}],
  ["mv /etc/arpflush/key.new", {
    code: missing,
    shows: /^sql01 .* alive$.*^web7 .*missing/ms,
  }],
  ["arpflush-public-OLD", {}],
  ["nft -f /opt/arpflush/arpflush.nft", {}],
  ["--password-file", { shows: /^Password: 5 copies to 192\.0\.2\.255$/m }],
];

/** Packs by the README's first step, then runs a script, which gets a folder with these files. */
async function outcomeIn(
  script: string,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const { steps: [pack] } = await readmeSteps();
  await run(["bash", "-euc", pack]);
  return await inFolder(async (folder) => {
    await Deno.chmod(folder, 0o755);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { code, stdout, stderr } = await runScript(script, [folder, ...args], 240);
    return { code, text: stdout + stderr };
  });
}

Deno.test("docs/operating.md: every command does what the page says", async () => {
  const page = await pageText("docs/operating.md");
  const blocks = blocksOf(page, "sh");
  assert.deepEqual(
    blocks.map(({ text }) => expected.find(([part]) => text.includes(part))?.[0] ?? text),
    expected.map(([part]) => part),
  );
  const { steps } = await readmeSteps();
  const files: Record<string, string> = {};
  for (const i of [2, 3, 4, 6]) files[i] = withVariables(steps[i - 1]);
  const names = blocks.map(({ where }, i) =>
    `${`${i + 1}`.padStart(2, "0")}-${where === "on the host" ? "host" : "router"}`
  );
  blocks.forEach(({ text, where }, i) => {
    assert.notEqual(where, "", `nobody knows where to type: ${text}`);
    files[`page-${names[i]}`] = withVariables(text);
  });
  const lines = Array.from(page.matchAll(/^notify(_master)? "(.*)"$/gm), ([, master, line]) =>
    // What keepalived appends.
    master === undefined ? `${line} INSTANCE VI_1 MASTER 100` : line);
  assert.equal(lines.length, 4);
  lines.forEach((line, i) => files[`notify-${i}`] = line);

  const { code, text } = await outcomeIn("operations_steps.sh", files, []);
  assert.equal(code, 0, text);
  const parts = new Map(
    text.split(/^--- /m).slice(1).map((part) => [part.slice(0, part.indexOf("\n")), part]),
  );
  expected.forEach(([what, { code = 0, shows = /^/ }], i) => {
    const part = parts.get(names[i]) ?? "";
    assert.match(part, new RegExp(`^exit status ${code}$`, "m"), `${what}\n${part}`);
    assert.match(part, shows, what);
  });
  lines.forEach((line, i) => {
    const part = parts.get(`notify-${i}`) ?? "";
    assert.match(part, /^sql01 .* (healed|flushed)$/m, `${line}\n${part}`);
    assert.match(part, /^exit status [03]$/m, `${line}\n${part}`);
  });
});

Deno.test("README: its setup leads from nothing to a healed host", async () => {
  const { steps, notify } = await readmeSteps();
  assert.equal(steps.length, 6);
  const files = Object.fromEntries(steps.map((text, i) => [`${i + 1}`, withVariables(text)]));
  const { code, text } = await outcomeIn("readme_steps.sh", files, [notify]);
  assert.equal(code, 0, text);
  const [before, after] = text.split("--- as keepalived would");
  assert.match(before, /^sql01 +192\.0\.2\.10 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:99$/m);
  assert.match(after, /^sql01 +192\.0\.2\.10 .* healed$/m);
  assert.match(after, /^<30>arpflush\[\d+\]: Flush: .* 1 host answered: 1 healed$/m);
  const own = /^eth0\S* +UP +(\S+)/m.exec(after)?.[1];
  assert.match(after, new RegExp(`^192\\.0\\.2\\.1 dev eth0 lladdr ${own} `, "m"));
});
