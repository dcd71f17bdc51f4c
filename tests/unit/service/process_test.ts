/** The service as a process, started as `deno task service` does, over the simulated cache. */
import assert from "node:assert/strict";
import { openUdpSocket } from "../../../lib/receiver/listeners.ts";
import { createHostKeyFile, loadHostKey } from "../../../lib/service/host_key.ts";
import { runProgram } from "../../../lib/service/program.ts";
import { systemAfter, within } from "../../../lib/time.ts";
import { versionText } from "../../../lib/version.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { createRouter, freePort } from "../../support/datagrams.ts";
import { inFolder, outcomeOf } from "../../support/command.ts";
import { programLine, startServiceProcess } from "../../support/programs.ts";
import { firstAnswer, signed } from "../receiver/harness.ts";

const router = createRouter(11);
const linux = Deno.build.os === "linux";

/** A folder with settings that name a router and a free port; gone at the end. */
async function openPlace(lines: readonly string[] = []) {
  const folder = await Deno.makeTempDir({ prefix: "arpflush" });
  const port = freePort();
  const config = `${folder}/arpflush.toml`;
  const timers: ReturnType<typeof setTimeout>[] = [];
  const write = (more: readonly string[], keys = [router.publicText]) =>
    Deno.writeTextFile(
      config,
      [`RouterKeys = ${JSON.stringify(keys)}`, `Port = ${port}`, ...more, ""].join("\n"),
    );
  await write(lines);
  return {
    folder,
    config,
    port,
    write,
    start(env: Record<string, string> = {}) {
      const running = startServiceProcess({ args: ["--simulate", "--config", config], env });
      // Whoever waits for a line that doesn't come waits no longer than this.
      timers.push(setTimeout(() => running.kill("SIGKILL"), 30_000));
      return running;
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A service manager as systemd is one, by the socket that `env` names. */
function openManager() {
  const name = `arpflush-test-${crypto.randomUUID()}`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: `\0${name}` });
  return {
    env: { NOTIFY_SOCKET: `@${name}` },
    /** What it is told next; empty for nothing within 30 s. */
    async next() {
      const received = await within(systemAfter, 30_000, socket.receive(), null);
      return received === null ? "" : new TextDecoder().decode(received[0]);
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

/** Sends a request; resolves with the ack's status byte. */
const ask = async (port: number): Promise<number> =>
  (await firstAnswer(port, [signed({}, router)]))[6];
const alive = 1, flushed = 2;

const service = (...args: string[]) => outcomeOf(programLine("service", args));

Deno.test("service.ts answers a request, says so, and ends cleanly within 1 s of Ctrl+C", async () => {
  await using place = await openPlace();
  await using running = place.start();
  await running.line(/started \(1\): \[simulated\] Started .* port \d+, keys .* \(simulated\)/);
  assert.equal(await ask(place.port), flushed);
  await running.line(/flushed \(10\): \[simulated\] Flushed all for r1 \(127\.0\.0\.1, key /);
  const before = performance.now();
  assert.equal(await running.stop("SIGINT"), 0);
  assert.ok(performance.now() - before < 1_000);
  assert.match(running.log.at(-1) ?? "", /stopped \(2\)/);
});

Deno.test({
  name: "service.ts under systemd: ready, reloads at SIGHUP or says why not, stops at SIGTERM",
  ignore: !linux,
  async fn() {
    await using place = await openPlace();
    using manager = openManager();
    const { next } = manager;
    await using running = place.start(manager.env);
    assert.equal(await next(), "READY=1");
    await place.write(["Prot = 5"]);
    const uptime = Deno.osUptime();
    running.kill("SIGHUP");
    const [, micros] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(await next()) ?? [];
    assert.ok(Number(micros) > uptime * 1_000_000, micros);
    assert.equal(await next(), "READY=1");
    await running.line(/reloadRefused .*arpflush\.toml: "Prot" is not a setting; is it Port\?/);
    assert.equal(await ask(place.port), flushed);
    await place.write(['LogFormat = "json"'], [createRouter(12).publicText, router.publicText]);
    running.kill("SIGHUP");
    assert.match(await next(), /^RELOADING=1/);
    assert.equal(await next(), "READY=1");
    await running.line(/Reloaded/);
    assert.equal(await ask(place.port), flushed);
    const before = performance.now();
    const stopped = running.stop("SIGTERM");
    assert.equal(await next(), "STOPPING=1");
    assert.equal(await stopped, 0);
    assert.ok(performance.now() - before < 1_000);
    const { "@timestamp": time, logger, properties: { event, id } } = JSON.parse(
      running.log.at(-1) ?? "",
    );
    assert.deepEqual([logger, event, id], ["arpflush.simulated", "stopped", 2]);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  },
});

Deno.test({
  name: "service.ts answers on with a stderr that is never read",
  ignore: !linux,
  async fn() {
    await using place = await openPlace(['LogLevel = "debug"']);
    using manager = openManager();
    const line = programLine("service", ["--simulate", "--config", place.config]);
    const child = new Deno.Command("bash", {
      args: ["-c", 'exec "$@" 2> >(exec sleep 60)', "bash", ...line],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      env: manager.env,
    }).spawn();
    try {
      assert.equal(await manager.next(), "READY=1");
      // More than a pipe holds.
      for (let i = 0; i < 18; i++) {
        const probes = Array.from({ length: 50 }, () => signed({ action: "probe" }, router));
        assert.equal((await firstAnswer(place.port, probes))[6], alive);
      }
    } finally {
      child.kill("SIGTERM");
    }
    assert.equal((await child.status).code, 0);
  },
});

/** Runs `--check` in this process; gives its exit status and what it printed. */
async function check(configPath: string) {
  const { log, error } = console;
  const printed = { stdout: "", stderr: "" };
  console.log = (text) => void (printed.stdout += `${text}\n`);
  console.error = (text) => void (printed.stderr += `${text}\n`);
  try {
    const code = await runProgram({ kind: "check", configPath, simulate: false });
    return { code, ...printed };
  } finally {
    Object.assign(console, { log, error });
  }
}

Deno.test("service.ts --check prints the settings in effect, or every error, with exit status 2", async () => {
  await using place = await openPlace(["HoldDownSeconds = 5"]);
  const good = await service("--check", "--config", place.config);
  assert.deepEqual([good.code, good.stderr], [0, ""]);
  assert.match(good.stdout, /^HoldDownSeconds = 5 +# s; .*arpflush\.toml$/m);
  assert.match(good.stdout, /^ClockToleranceSeconds = 60 +# s; default$/m);
  assert.match(good.stdout, new RegExp(`^# Key ids: ${router.key.idText}$`, "m"));
  assert.deepEqual(await check(place.config), good);
  await place.write(['Listen = "192.0.2.20"']);
  const { stdout } = await check(place.config);
  assert.equal(/^# Hears no broadcast on 192\.0\.2\.20: /m.test(stdout), linux);
  await place.write(["RefreshSeconds = 0", "LogLevle = 1"]);
  const bad = await check(place.config);
  assert.deepEqual([bad.code, bad.stdout], [2, ""]);
  assert.deepEqual(bad.stderr.trimEnd().split("\n"), [
    "arpflush.toml: RefreshSeconds: 0 is not a whole number from 1 to 86400",
    'arpflush.toml: "LogLevle" is not a setting; is it LogLevel?',
  ]);
  await place.write([`Listen = "::1"`], []);
  const keyless = await check(place.config);
  assert.equal(keyless.code, 2);
  assert.match(keyless.stderr, /^RouterKeys is empty and no Password is set; [^\n]*\n$/);
  await place.write([], [router.secretText]);
  const secret = await check(place.config);
  assert.match(secret.stderr, /^arpflush\.toml: RouterKeys: key 1 is a router's secret key: /);
  assert.ok(!secret.stderr.includes(router.secretText.slice(20)));
});

Deno.test({
  name: "service.ts --host-key prints the host's public key, or why it can't",
  ignore: !linux,
  fn: () =>
    inFolder(async (folder) => {
      const print = () =>
        outcomeOf(programLine("service", ["--host-key"]), { env: { STATE_DIRECTORY: folder } });
      const stderr = "This host has no key yet: the service makes it at its first start\n";
      assert.deepEqual(await print(), { code: 1, stdout: "", stderr });
      const { signer } = loadHostKey(createHostKeyFile(folder));
      const stdout = `${formatKey("host", signer.publicKey)}\n`;
      assert.deepEqual(await print(), { code: 0, stdout, stderr: "" });
      await Deno.chmod(`${folder}/host-key`, 0o644);
      const refused = await print();
      assert.deepEqual([refused.code, refused.stdout], [1, ""]);
      assert.match(refused.stderr, /^Cannot read host key ".*": refused, others can read it/);
    }),
});

Deno.test("service.ts refuses to start with one line and exit status 2", async () => {
  await using place = await openPlace();
  await place.write([], ["broken"]);
  const broken = await service("--simulate", "--config", place.config);
  assert.equal(broken.code, 2);
  assert.match(
    broken.stderr,
    /^\S+ error settingsInvalid \(40\): .*key 1 is not a router.s public key.*\n$/,
  );
  const unknown = await service("--frobnicate");
  assert.deepEqual([unknown.code, unknown.stderr], [
    2,
    "arpflush-service: Unknown option --frobnicate\nTry --help\n",
  ]);
});

Deno.test("service.ts waiting for its port ends at once when told to", async () => {
  await using place = await openPlace();
  const holder = openUdpSocket("127.0.0.1", place.port);
  await using running = place.start();
  await running.line(/listenWaiting \(43\): .* yet: Address already in use; trying again for 20 s/);
  // A reload is for later, and no end.
  if (linux) running.kill("SIGHUP");
  const before = performance.now();
  assert.equal(await running.stop("SIGINT"), 0);
  assert.ok(performance.now() - before < 1_000);
  holder.close();
});

Deno.test("service.ts --version and --help print theirs", async () => {
  assert.deepEqual(await service("--version"), {
    code: 0,
    stdout: versionText("arpflush-service"),
    stderr: "",
  });
  assert.match((await service("--help")).stdout, /^Usage: arpflush-service \[options\]$/m);
});
