/** `demo/main.ts` as its task runs it: it heals, and leaves nothing behind however it ends. */
import assert from "node:assert/strict";
import { linesOf, outcomeOf, run } from "../support/command.ts";

const entry = new URL("../demo/main.ts", import.meta.url).href;
const demo = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=demo", entry];

/** Processes of the demo, files and named namespaces that are there. */
async function leftovers(): Promise<string[]> {
  const processes = (await run(["ps", "-e", "-o", "args="])).split("\n")
    .filter((line) => /scene\.ts|service\.ts|send\.ts|exec cat|^cat$/.test(line));
  const files = await Array.fromAsync(Deno.readDir("/run"), ({ name }) => name);
  const links = await run(["ip", "-brief", "link", "show"]);
  const cache = await Array.fromAsync(Deno.readDir(".cache"), ({ name }) => name).catch(() => []);
  return [...processes, ...files, links, ...cache.filter((name) => name.startsWith("demo-"))];
}

Deno.test("demo heals a stale entry of the kernel's table and leaves nothing", async () => {
  const before = await leftovers();
  const { code, stdout: text } = await outcomeOf(demo);
  assert.equal(code, 0, text);
  assert.match(text, /^Two network namespaces/);
  assert.match(
    text,
    /192\.0\.2\.1 dev e0 lladdr 02:00:00:00:00:0a[^]* STUCK 192\.0\.2\.1 at 02:00:00:00:00:0a\n[^]*STATE\n +host .* healed\n/,
  );
  assert.match(text, /192\.0\.2\.1 dev e0 lladdr 02:00:00:00:00:0b[^]*\nHealed: .* \d+ ms /);
  assert.deepEqual(await leftovers(), before);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
  Deno.test(`demo leaves nothing when it ends by ${signal}`, async () => {
    const before = await leftovers();
    const [program, ...args] = demo;
    const child = new Deno.Command(program, { args, stdout: "piped" }).spawn();
    const output = linesOf(child.stdout);
    // From this line on everything is there, or is being made.
    assert.match((await output.next()).value ?? "", /^Two network namespaces/);
    child.kill(signal);
    const { code } = await child.status;
    assert.equal(code, signal === "SIGKILL" ? 137 : 130);
    // The output ends with the last process that could write to it.
    while (!(await output.next()).done);
    assert.deepEqual(await leftovers(), before);
  });
}

Deno.test("demo without namespaces says so in its first line, heals in memory, and leaves nothing", async () => {
  const before = await leftovers();
  const env = { PATH: "/nonexistent" };
  const { code, stdout: text } = await outcomeOf(demo, { env });
  assert.equal(code, 0, text);
  assert.match(text, /^Simulated, over loopback and with a neighbor cache in memory: .*lacks/);
  assert.match(text, /STUCK .* at 00:00:5e:00:53:01\n[^]*\nHealed: /);
  assert.deepEqual(await leftovers(), before);
});
