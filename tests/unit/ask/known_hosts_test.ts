import fc from "fast-check";
import assert from "node:assert/strict";
import { arpRequest, broadcastMac } from "../../../lib/ask/frames.ts";
import {
  addKnownHosts,
  HostMemory,
  type KnownHost,
  readKnownHosts,
} from "../../../lib/ask/known_hosts.ts";
import { createTestTime } from "../../support/test_time.ts";
import { interfaces, prefix } from "../sender/helpers.ts";

const maxKnownHosts = 4_096;
const known = (address: string, changes: Partial<KnownHost> = {}): KnownHost => ({
  address: prefix(address),
  linkLayerAddress: "020000000107",
  link: "eth0",
  lastSeen: Date.UTC(2026, 0, 2, 3, 4, 5),
  ...changes,
});
const line = "192.0.2.7 02:00:00:00:01:07 eth0 2026-01-02T03:04:05Z";

/** A test of the file of known hosts, in a folder that is gone afterwards. */
function testFile(name: string, fn: (file: string, folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await fn(`${folder}/hosts`, folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

testFile(
  "addKnownHosts() writes a line a host, which readKnownHosts() reads back",
  async (file) => {
    assert.deepEqual(await readKnownHosts(file), []);
    const hosts = [known("192.0.2.7"), known("2001:db8::7", { lastSeen: 0 })];
    await addKnownHosts(file, hosts);
    const text = `${line}\n2001:db8::7 02:00:00:00:01:07 eth0 1970-01-01T00:00:00Z\n`;
    assert.equal(await Deno.readTextFile(file), text);
    assert.deepEqual(await readKnownHosts(file), hosts);
  },
);

testFile(
  "readKnownHosts() leaves out what is no host, and keeps the one seen last",
  async (file) => {
    const wrong = [
      "192.0.2.7",
      `x${line}`,
      `${line} more`,
      line.replace("02:", "03:"),
      line.replace("eth0", "an-interface-name-of-16"),
      line.replace("eth0", "../etc"),
      line.replace("2026", "soon"),
      "\0\x1b[31m",
    ];
    const older = line.replace("2026", "2025").replace(":07 ", ":08 ");
    await Deno.writeTextFile(file, [...wrong, older, line, older].join("\n"));
    assert.deepEqual(await readKnownHosts(file), [known("192.0.2.7")]);
    await fc.assert(fc.asyncProperty(fc.string({ maxLength: 60 }), async (any) => {
      await Deno.writeTextFile(file, `${line} ${any}\n${any}`);
      await readKnownHosts(file);
    }));
  },
);

testFile("the file holds 4,096 hosts, those seen last, whoever writes", async (file, folder) => {
  const many = Array.from(
    { length: maxKnownHosts + 50 },
    (_, i) => known(`10.1.${i >> 8}.${i & 255}`, { lastSeen: 1_000 * i }),
  );
  await addKnownHosts(file, many);
  assert.deepEqual(await readKnownHosts(file), many.toReversed().slice(0, maxKnownHosts));
  // Who has it open reads the old one to its end; of several who write none is lost.
  const before = await Deno.readTextFile(file);
  const old = await Deno.open(file);
  const more = ["192.0.2.7", "192.0.2.8", "192.0.2.9"].map((address) => known(address));
  await Promise.all(more.map((one) => addKnownHosts(file, [one])));
  assert.equal(await new Response(old.readable).text(), before);
  const now = await readKnownHosts(file);
  assert.deepEqual(new Set(now.slice(0, 3)), new Set(more));
  assert.equal(now.length, maxKnownHosts);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  assert.deepEqual(names.sort(), ["hosts", "hosts.lock"]);
  // One that is far too long is no hindrance, nor is a folder that isn't there.
  await Deno.writeTextFile(file, `${line}\n`.repeat(40_000));
  assert.deepEqual(await readKnownHosts(file), [known("192.0.2.7")]);
  await addKnownHosts(file, [known("192.0.2.7")]);
  assert.equal(await Deno.readTextFile(file), `${line}\n`);
  await assert.rejects(
    readKnownHosts(folder),
    /^Error: Cannot read known hosts from ".*": it is not a regular file$/,
  );
  await addKnownHosts(`${folder}/missing/hosts`, many);
});

const request = (from: string, changes: { destinationMac?: string } = {}) =>
  arpRequest({
    sourceMac: "020000000110",
    destinationMac: broadcastMac,
    from: prefix(from),
    to: prefix("10.1.0.1"),
    ...changes,
  });

/** A memory on links that a test has frames come in on. */
function openMemory(path: string, own: () => ReturnType<typeof interfaces>) {
  const incoming = new Map<string, Uint8Array[]>();
  const closed: string[] = [];
  const said: string[] = [];
  const time = createTestTime();
  const memory = new HostMemory({
    path,
    interfaces: own,
    time,
    warn: (line) => said.push(line),
    openSocket: (link) => {
      if (link === "e9") throw new Error("Cannot open a packet socket on e9: network is down");
      return {
        linkLayerAddress: "020000000001",
        send: () => true,
        wait: () => Promise.resolve(),
        receive: (take) => {
          (incoming.get(link) ?? []).splice(0).forEach(take);
          return true;
        },
        close: () => Promise.resolve(void closed.push(link)),
      };
    },
  });
  return {
    memory,
    closed,
    said,
    time,
    hear: (link: string, ...frames: Uint8Array[]) => void incoming.set(link, frames),
  };
}

testFile("HostMemory writes down hosts of a link's network once a minute", async (file) => {
  const own = interfaces("e0 10.1.0.2/16", "e9 192.0.2.2/24 02:00:00:00:00:01");
  const { memory, time, hear } = openMemory(file, () => own);
  hear(
    "e0",
    request("10.1.0.7"),
    request("10.1.0.8", { destinationMac: "020000000001" }),
    request("0.0.0.0"),
    request("198.51.100.7"),
    Uint8Array.of(1, 2, 3),
  );
  const heard = { address: prefix("10.1.0.7"), link: "e0", linkLayerAddress: "020000000110" };
  const lastSeen = time.wall();
  memory.look();
  assert.deepEqual(memory.heard(), [{ ...heard, lastSeen }]);
  time.pass(60_000);
  memory.look();
  assert.deepEqual(memory.heard(), []);
  hear("e0", request("10.1.0.9"));
  memory.look();
  await memory.close();
  const known = (await readKnownHosts(file)).map(({ address }) => address.bytes[3]);
  assert.deepEqual(known, [9, 7]);
});

testFile(
  "HostMemory holds so many hosts and no more, and lets go of links that are gone",
  async (_, folder) => {
    let own = interfaces("e0 10.1.0.2/16");
    const { memory, closed, said, hear } = openMemory(folder, () => own);
    const many = Array.from(
      { length: maxKnownHosts + 9 },
      (_, i) => `10.1.${1 + (i >> 8)}.${i & 255}`,
    );
    hear("e0", ...many.map((address) => request(address)));
    memory.look();
    assert.equal(memory.heard().length, maxKnownHosts);
    own = [];
    memory.look();
    assert.deepEqual(closed, ["e0"]);
    await memory.close();
    assert.match(said.join(), /^Cannot write known hosts to ".*": it is not a regular file$/);
  },
);
