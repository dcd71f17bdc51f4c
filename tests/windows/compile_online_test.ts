/**
 * Compiling as on a fresh machine that may go online: Deno's cache is empty, packages and bundler come
 * from the registry, and Deno fetches the base runtime of each target. Its server is a double
 * (release_server.ts), and as no base runtime for arm64 can be had here, it gives x64's for it: what is
 * made of that is looked at, not run.
 */
import assert from "node:assert/strict";
import { arpflushVersion } from "../../lib/version.ts";
import { targets } from "../../packaging/compile.ts";
import { outcomeOf, run } from "../support/command.ts";
import { startReleaseServer } from "./release_server.ts";
import { baseRuntime, compiled, compiler, copySources } from "./wine/executables.ts";
import { checkoutPath } from "./wine/paths.ts";

/** Deno's archive of the base runtime of each target, by its path on the server. */
async function makeArchives(folder: string): Promise<Map<string, string>> {
  const version = (await run([compiler, "eval", "-p", "Deno.version.deno"])).trim();
  const archives = new Map<string, string>();
  for (const [name, { triple, suffix }] of Object.entries(targets)) {
    const base = `${folder}/${name}/denort${suffix}`;
    await Deno.mkdir(`${folder}/${name}`);
    await Deno.copyFile(baseRuntime(name === "windows-x64" ? name : "linux-x64"), base);
    const archive = `${folder}/denort-${triple}.zip`;
    await run(["zip", "-q", "-0", "-j", archive, base]);
    archives.set(`/release/v${version}/denort-${triple}.zip`, archive);
  }
  return archives;
}

Deno.test("deno task compile makes all executables online, with an empty cache", async () => {
  const offline = await Deno.readTextFile(
    `${checkoutPath}/${await compiled("windows-x64")}/SHA256SUMS`,
  );
  const folder = await Deno.makeTempDir({ prefix: "arpflush-online-" });
  const checkout = await copySources();
  try {
    const archives = await makeArchives(folder);
    await using server = await startReleaseServer((path) => archives.get(path) ?? null);
    const env = {
      ...server.env,
      DENO_DIR: `${folder}/deno-dir`,
      DENO_NO_UPDATE_CHECK: "1",
      DENO_TLS_CA_STORE: "system,mozilla",
      NO_PROXY: new URL(await run(["npm", "config", "get", "registry"])).hostname,
    };
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const line = [compiler, "run", "-q", "--no-prompt", "-P=compile", "packaging/compile.ts"];
    const { code, stderr } = await outcomeOf(["env", "-C", checkout, ...words, ...line]);
    assert.deepEqual({ code, stderr: stderr.replaceAll(/^.*experimental.*\n/gm, "") }, {
      code: 0,
      stderr: "",
    });
    assert.deepEqual(server.paths, [...archives.keys()], "each base runtime is fetched once");
    assert.equal(server.hosts.length, 1, server.hosts.join(", "));
    for (const [name, { suffix }] of Object.entries(targets)) {
      const made = await Array.fromAsync(
        Deno.readDir(`${checkout}/dist/${arpflushVersion}/${name}`),
      );
      assert.deepEqual(
        made.map((file) => file.name).sort(),
        ["SHA256SUMS", `arpflush-service${suffix}`, `arpflush${suffix}`].sort(),
      );
    }
    const dist = `${checkout}/dist/${arpflushVersion}`;
    assert.equal(await Deno.readTextFile(`${dist}/windows-x64/SHA256SUMS`), offline, "same bytes");
    const program = `${dist}/linux-x64/arpflush`;
    assert.match(await run([program, "--version"]), new RegExp(arpflushVersion));
  } finally {
    await Deno.remove(checkout, { recursive: true });
    await Deno.remove(folder, { recursive: true });
  }
});
