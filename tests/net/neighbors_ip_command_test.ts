/** `ip` missing, forbidden, hanging or broken: each a failure with its code, in bounded time. */
import assert from "node:assert/strict";
import { createIpCommand } from "../../lib/neighbors/iproute2.ts";
import { createLinuxCache } from "../../lib/neighbors/linux.ts";
import type { NeighborCache } from "../../lib/neighbors/neighbor_cache.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { connect, ip, openNetworkNamespace } from "../support/namespaces.ts";

/** A cache over a program that stands in for `ip`; it is gone with the test. */
async function cacheOver(script: string, timeoutMs?: number) {
  const folder = await Deno.makeTempDir({ dir: "/run" });
  const program = `${folder}/ip`;
  await Deno.writeTextFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const cache = createLinuxCache({ ip: createIpCommand({ program, timeoutMs }) });
  return { cache, folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

async function rejects(cache: NeighborCache, code: number, message: RegExp): Promise<void> {
  const attempts = [() => cache.flush("all"), () => cache.list(), () => cache.gateways()];
  for (const attempt of attempts) {
    await assert.rejects(attempt, { name: "NeighborCacheError", code, message });
  }
}

Deno.test("createIpCommand() rejects with ENOENT where there is no ip", async () => {
  const cache = createLinuxCache({ ip: createIpCommand({ program: "/run/nowhere/ip" }) });
  await rejects(cache, 2, /^Cannot run "\/run\/nowhere\/ip": /);
});

Deno.test("createIpCommand() rejects with EACCES where ip can't be executed", async () => {
  await using over = await cacheOver("");
  await Deno.chmod(`${over.folder}/ip`, 0o644);
  await rejects(over.cache, 13, /^Cannot run /);
});

Deno.test("createIpCommand() rejects with ETIMEDOUT where ip hangs, and ends it", async () => {
  await using over = await cacheOver('echo $$ > "$0.pid"; exec sleep 30', 200);
  await assert.rejects(over.cache.flush("all"), {
    name: "NeighborCacheError",
    code: 110,
    message: /did not end within 200 ms$/,
  });
  const pid = Number(await Deno.readTextFile(`${over.folder}/ip.pid`));
  assert.throws(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
});

Deno.test("createIpCommand() doesn't wait for what a hanging ip started itself", async () => {
  // The sleeping child inherits the pipes and keeps them open.
  await using over = await cacheOver('sleep 30 & echo $! > "$0.pid"; wait', 200);
  const start = performance.now();
  await assert.rejects(over.cache.flush("all"), { code: 110 });
  assert.ok(performance.now() - start < 10_000, "it waited for the child");
  Deno.kill(Number(await Deno.readTextFile(`${over.folder}/ip.pid`)), "SIGKILL");
});

Deno.test("createIpCommand() gives ip nothing of its own environment", async () => {
  await using over = await cacheOver(
    'tr "\\0" "\\n" </proc/$$/environ >"$0.environ"; exec ip "$@"',
  );
  Deno.env.set("LC_ALL", "de_DE.UTF-8");
  try {
    await over.cache.list();
  } finally {
    Deno.env.delete("LC_ALL");
  }
  assert.equal(await Deno.readTextFile(`${over.folder}/ip.environ`), "");
});

Deno.test("createIpCommand() goes on as its caller says when ip has printed a line", async () => {
  const folder = await Deno.makeTempDir({ dir: "/run" });
  const program = `${folder}/ip`;
  const script = 'read -r first; echo "got $first"; read -r second; echo "got $second"';
  await Deno.writeTextFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const run = createIpCommand({ program });
  const { stdout } = await run([], "1\n", (line) => `${line} back\n`);
  assert.equal(stdout, "got 1\ngot got 1 back\n");
  const failing = run([], "1\n", () => {
    throw new Error("as its caller says");
  });
  await assert.rejects(failing, /as its caller says/);
});

Deno.test("createIpCommand() rejects with the code of an ip that fails without reading", async () => {
  await using over = await cacheOver('echo "RTNETLINK answers: No such device" >&2; exit 2');
  await rejects(over.cache, 19, /: RTNETLINK answers: No such device$/);
});

Deno.test("createLinuxCache() rejects what is no JSON", async () => {
  await using over = await cacheOver(
    'echo "192.0.2.1 dev e0 lladdr 02:00:00:00:00:01 STALE"; cat >/dev/null',
  );
  await assert.rejects(over.cache.list(), {
    code: 5,
    message: /^Cannot read the output of "ip": no JSON: /,
  });
  await assert.rejects(over.cache.flush("all"), {
    code: 5,
    message: /^Cannot read the output of "ip": no JSON: /,
  });
});

Deno.test("createLinuxCache() rejects with EPERM without CAP_NET_ADMIN, and can still look", async () => {
  await using other = await openNetworkNamespace("other");
  await connect(
    { namespace: null, name: "e0", addresses: ["192.0.2.5/24"] },
    { namespace: other, name: "e0", addresses: ["192.0.2.1/24"] },
  );
  await ip(null, ["neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud stale dev e0"]);
  await using over = await cacheOver('exec setpriv --bounding-set=-all --inh-caps=-all ip "$@"');
  const denied = { name: "NeighborCacheError", code: 1, message: /Operation not permitted$/ };
  await assert.rejects(over.cache.flush("all"), denied);
  // Not even where there is nothing to flush.
  await assert.rejects(over.cache.flush([parsePrefix("192.0.2.77")]), denied);
  await assert.rejects(over.cache.flush([parsePrefix("192.0.2.64/26")]), denied);
  const address = parsePrefix("192.0.2.1");
  await assert.rejects(over.cache.resolve([address]), denied);
  const [report] = await over.cache.look([address]);
  assert.equal(report.state, "neighbor");
});
