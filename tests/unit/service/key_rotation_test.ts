/**
 * Changing the key without a gap, end to end: service and sender as processes on loopback, the cache
 * simulated. Hosts learn the new key, then routers sign with it, then hosts forget the old one.
 */
import assert from "node:assert/strict";
import { generateKeyFile, parseKeyFile } from "../../../lib/wire/keys.ts";
import { openGenuineSender } from "../../attack/probes.ts";
import { createRandom } from "../../attack/random.ts";
import { createWireTap } from "../../attack/wire_tap.ts";
import { outcomeOf } from "../../support/command.ts";
import { programLine, type ServiceProcess, startServiceProcess } from "../../support/programs.ts";

const newKey = () => generateKeyFile(new Date("2026-11-23T00:00:00Z"));
const idOf = (text: string) => parseKeyFile(text).signing.idText;

interface Place extends AsyncDisposable {
  readonly port: number;
  readonly service: ServiceProcess;
  /** Writes the host's key file and waits until the service says that it has these keys. */
  reload(...keys: string[]): Promise<void>;
  /** Runs the sender with a key file of its own; gives its exit code. */
  send(...keys: string[]): Promise<number>;
}

/** A service that holds these keys. */
async function startPlace(...keys: string[]): Promise<Place> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-rotation-" });
  const [hostKey, routerKey, config] = ["host-key", "router-key", "arpflush.toml"].map((name) =>
    `${folder}/${name}`
  );
  const write = (path: string, text: string) => Deno.writeTextFile(path, text, { mode: 0o600 });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { addr } = socket;
  socket.close();
  assert.ok(addr.transport === "udp");
  const { port } = addr;
  await write(hostKey, keys.join(""));
  await write(config, `Port = ${port}\nKeyFile = "${hostKey}"\nHoldDownSeconds = 1\n`);
  const service = startServiceProcess({ args: ["--simulate", "--config", config] });
  await service.line(/ started /);
  return {
    port,
    service,
    async reload(...keys) {
      await write(hostKey, keys.join(""));
      const before = service.log.length;
      service.kill("SIGHUP");
      const said = `keys ${keys.map(idOf).join(" ")}`;
      // The same keys are never loaded twice here, so an earlier line can't be meant.
      const line = await service.line(new RegExp(`reloaded .*${said}$`));
      assert.ok(service.log.indexOf(line) >= before);
    },
    async send(...keys) {
      await write(routerKey, keys.join(""));
      const place = ["--key-file", routerKey, "--port", String(port), "127.0.0.1"];
      const options = ["--no-verify", "--expect", "1", "--count", "1", "--wait", "2s", "-q"];
      const { code } = await outcomeOf(programLine("sender", [...options, ...place]), {
        signal: AbortSignal.timeout(30_000),
      });
      return code;
    },
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const healed = 0;
const missing = 3;

Deno.test("a key is changed in three steps, and every sender is confirmed at each", async () => {
  const [old, next] = [newKey(), newKey()];
  await using place = await startPlace(old);
  assert.equal(await place.send(old), healed);
  // A router that changes before its hosts is not heard: this is why hosts come first.
  assert.equal(await place.send(next, old), missing);

  await place.reload(old, next);
  assert.equal(await place.send(old), healed);
  assert.equal(await place.send(next, old), healed);
  assert.equal(await place.send(next), healed);

  await place.reload(next);
  assert.equal(await place.send(next), healed);
  assert.equal(await place.send(old), missing);
  assert.equal(await place.service.stop(), 0);
  const flushes = place.service.log.filter((line) => / flushed /.test(line));
  assert.equal(flushes.length, 1 + 5, place.service.log.join("\n"));
});

Deno.test("a request sent while the keys are being changed is confirmed at its first copy", async () => {
  const [old, next] = [newKey(), newKey()];
  await using place = await startPlace(old);
  const tap = createWireTap();
  const { signing } = parseKeyFile(old);
  using sender = openGenuineSender(tap, place.port, signing, createRandom(1));
  let changing = true;
  let asked = 0;
  const asking = (async () => {
    for (; changing; asked++) {
      const { ack } = await sender.ask({ action: "probe" });
      assert.equal(ack.status, "alive");
    }
  })();
  for (let changes = 0; changes < 10 || asked < 10; changes++) await place.reload(old, newKey());
  await place.reload(old, next);
  changing = false;
  await asking;
  assert.equal(tap.accounts[0].sent, asked);
});
