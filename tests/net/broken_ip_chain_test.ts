/** A service whose `ip` fails: the sender is told, the log says it, and the service lives. */
import assert from "node:assert/strict";
import { outcomeOf, run } from "../support/command.ts";
import { type Host, openSegment, routerMac, type Segment } from "./chain.ts";

const etimedout = 110;
const folder = "/run/broken-ip";

/** Starts a service whose `ip` is a script, which does at first what the real one does. */
async function serveWithScript(host: Host) {
  const real = (await run(["sh", "-c", "command -v ip"])).trim();
  const head = `#!/bin/sh\nPATH=${Deno.env.get("PATH")}`;
  const write = (script: string) =>
    Deno.writeTextFile(`${folder}/ip`, `${head}\n${script}\n`, { mode: 0o755 });
  await Deno.mkdir(folder);
  await write(`exec ${real} "$@"`);
  const service = await host.serve([], { argv: ["env", `PATH=${folder}`] });
  return {
    service,
    /** What `ip` does from now on. */
    become: write,
    real,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Sends a request that is to fail with an error code, and one that is to heal after that. */
async function failsAndHeals(segment: Segment, code: number, mend: () => Promise<void>) {
  const wait = code === etimedout ? "14s" : "500ms";
  const failed = await segment.send("-a", "--expect", "1", "-c", "1", "-w", wait);
  assert.equal(failed.code, 3, failed.stdout + failed.stderr);
  assert.match(failed.stdout, new RegExp(`^host0 .* FAILED, error ${code}$`, "m"));
  await mend();
  const healed = await segment.send("-a", "--expect", "1");
  assert.equal(healed.code, 0, healed.stdout + healed.stderr);
}

/** Puts the router's address at a wrong place, so that there is something to flush. */
async function withStaleHost(body: (segment: Segment, host: Host) => Promise<void>) {
  await using segment = await openSegment();
  const host = await segment.host();
  await body(segment, host);
  assert.equal(await host.linkLayerAddressOf("192.0.2.1"), routerMac);
}

Deno.test("service.ts survives an ip that is missing", () =>
  withStaleHost(async (segment, host) => {
    await using script = await serveWithScript(host);
    await host.goStale();
    await Deno.remove(`${folder}/ip`);
    await failsAndHeals(segment, 2, () => script.become(`exec ${script.real} "$@"`));
    await script.service.line(/Cannot flush all for .*Cannot run "ip"/);
  }));

Deno.test("service.ts survives an ip that hangs, and kills it after 5 s", () =>
  withStaleHost(async (segment, host) => {
    await using script = await serveWithScript(host);
    await host.goStale();
    await script.become("exec sleep 1234");
    await failsAndHeals(segment, etimedout, () => script.become(`exec ${script.real} "$@"`));
    await script.service.line(/Cannot flush all for .*did not end within 5000 ms/);
    const { stdout } = await outcomeOf(["ps", "-e", "-o", "args="]);
    assert.doesNotMatch(stdout, /sleep 1234/);
  }));

Deno.test("service.ts flushes whatever its environment has for the loader of programs", () =>
  withStaleHost(async (segment, host) => {
    await host.serve([], { argv: ["env", "LD_LIBRARY_PATH=/opt/db/lib", "LD_PRELOAD="] });
    await host.goStale();
    const { code, stdout, stderr } = await segment.send("-a", "--expect", "1");
    assert.equal(code, 0, stdout + stderr);
  }));
