import fc from "fast-check";
import assert from "node:assert/strict";
import {
  addKnownHosts,
  formatKnownHosts,
  type KnownHost,
  maxKnownHosts,
  parseKnownHosts,
  readKnownHosts,
} from "../../../lib/ask/known_hosts.ts";
import { prefix } from "../sender/helpers.ts";

const known = (address: string, changes: Partial<KnownHost> = {}): KnownHost => ({
  address: prefix(address),
  linkLayerAddress: "020000000107",
  link: "eth0",
  lastSeen: Date.UTC(2026, 0, 2, 3, 4, 5),
  ...changes,
});
const line = "192.0.2.7 02:00:00:00:01:07 eth0 2026-01-02T03:04:05Z";

Deno.test("formatKnownHosts() writes a line a host, which parseKnownHosts() reads back", () => {
  const hosts = [known("192.0.2.7"), known("2001:db8::7", { lastSeen: 0 })];
  assert.equal(
    formatKnownHosts(hosts),
    `${line}\n2001:db8::7 02:00:00:00:01:07 eth0 1970-01-01T00:00:00Z\n`,
  );
  assert.deepEqual(parseKnownHosts(formatKnownHosts(hosts)), hosts);
});

Deno.test("parseKnownHosts() leaves out what is no host, and keeps the one seen last", () => {
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
  const text = [...wrong, older, line, older].join("\n");
  assert.deepEqual(parseKnownHosts(text), [known("192.0.2.7")]);
  fc.assert(fc.property(fc.string({ maxLength: 60 }), (any) => {
    parseKnownHosts(`${line} ${any}\n${any}`);
  }));
});

Deno.test("parseKnownHosts() and the file hold 4,096 hosts, those seen last", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/hosts`;
    assert.deepEqual(readKnownHosts(file), []);
    const many = Array.from(
      { length: maxKnownHosts + 50 },
      (_, i) => known(`10.1.${i >> 8}.${i & 255}`, { lastSeen: 1_000 * i }),
    );
    await addKnownHosts(file, many);
    assert.equal(readKnownHosts(file).length, maxKnownHosts);
    // Who has it open reads the old one to its end; of several who write none is lost.
    const old = await Deno.open(file);
    const more = ["192.0.2.7", "192.0.2.8", "192.0.2.9"].map((address) => known(address));
    await Promise.all(more.map((one) => addKnownHosts(file, [one])));
    const text = await new Response(old.readable).text();
    assert.deepEqual(parseKnownHosts(text), many.toReversed().slice(0, maxKnownHosts));
    const now = readKnownHosts(file);
    assert.deepEqual(new Set(now.slice(0, 3)), new Set(more));
    assert.equal(now.length, maxKnownHosts);
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
    assert.deepEqual(names.sort(), ["hosts", "hosts.lock"]);
    await Deno.writeTextFile(file, `${line}\n`.repeat(20_000));
    assert.throws(
      () => readKnownHosts(file),
      /^Error: Cannot read known hosts from ".*": it is larger/,
    );
    await addKnownHosts(file, [known("192.0.2.7")]);
    assert.deepEqual(readKnownHosts(file), [known("192.0.2.7")]);
    assert.throws(() => readKnownHosts(folder), /it is not a regular file$/);
    await addKnownHosts(`${folder}/missing/hosts`, many);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
