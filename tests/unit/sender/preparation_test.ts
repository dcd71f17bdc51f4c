import assert from "node:assert/strict";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import { type Plan, prepare } from "../../../lib/sender/preparation.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";
import { interfaces, key, router } from "./helpers.ts";
import { withFolder } from "./sender_process.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const keyFile = `${folder}/key`;
await Deno.writeTextFile(keyFile, `${new Uint8Array(32).fill(1).toBase64()}\n`, { mode: 0o600 });

/** The plan of a command line, which gets the tests' key unless it has a secret. */
function planOf(line: string, machine = router): Plan {
  const hasSecret = /(^| )(-k|-P|--password)/.test(line);
  const command = parseArguments([...line.split(" "), ...hasSecret ? [] : ["-k", keyFile]]);
  if (command.kind !== "send") throw new Error(command.kind);
  return prepare(command.options, machine, "r1");
}

function prepared(line: string, machine = router) {
  const { content, targets, faults, warnings } = planOf(line, machine);
  const request = content.kind === "signed" ? content.requests[0] : null;
  return {
    targets: targets.map(({ hostname }) => hostname),
    addresses: (request?.addresses ?? []).map(formatPrefix),
    report: request?.report ?? false,
    faults,
    warnings,
  };
}

const own = ["192.0.2.1", "192.0.2.2", "198.51.100.2", "fe80::2", "2001:db8::2", "fe80::12"];

Deno.test("prepare() asks for this machine's own addresses where it sends", () => {
  assert.deepEqual(prepared("-a"), {
    targets: ["192.0.2.255", "198.51.100.127"],
    addresses: own,
    report: true,
    faults: [],
    warnings: [],
  });
  assert.deepEqual(prepared("-a --interface e1").addresses, ["198.51.100.2", "fe80::12"]);
  assert.deepEqual(prepared("198.51.100.7").addresses, ["198.51.100.2", "fe80::12"]);
  assert.deepEqual(prepared("-a --probe").addresses, own);
});

Deno.test("prepare() lists addresses exactly when the request's format wants them", () => {
  const shown = (line: string) => {
    const { addresses, report } = prepared(line);
    return [addresses.length > 0, report];
  };
  assert.deepEqual(shown("-a"), [true, true]);
  assert.deepEqual(shown("-a --no-verify"), [false, false]);
  assert.deepEqual(shown("-a --only"), [true, true]);
  assert.deepEqual(shown("-a --only --no-verify"), [true, false]);
  assert.deepEqual(shown("-a --probe"), [true, true]);
  assert.deepEqual(shown("-a --probe --no-verify"), [false, false]);
  assert.deepEqual(shown("-a -P x"), [false, false]);
});

Deno.test("prepare() takes given addresses, and warns of those this machine doesn't hold", () => {
  assert.deepEqual(prepared("-a -A 192.0.2.1 -A 192.0.2.0/24"), {
    targets: ["192.0.2.255", "198.51.100.127"],
    addresses: ["192.0.2.1", "192.0.2.0/24"],
    report: true,
    faults: [],
    warnings: [],
  });
  assert.deepEqual(prepared("-a -A 203.0.113.1").warnings, [
    "This machine does not hold 203.0.113.1: any link-layer address reported for it counts as STUCK",
  ]);
});

Deno.test("prepare() cuts too many own addresses to 61, virtual IPv4 ones first, and says so", () => {
  const machine = interfaces(
    "e0 fe80::2/64 02:00:00:00:00:02",
    "e0 192.0.2.2/24 02:00:00:00:00:02",
    ...Array.from({ length: 60 }, (_, i) => `e0 10.0.0.${i}/32 02:00:00:00:00:02`),
  );
  const { addresses, warnings } = prepared("-a", machine);
  assert.equal(addresses.length, 61);
  assert.equal(addresses[0], "10.0.0.0");
  assert.equal(addresses[60], "192.0.2.2");
  assert.deepEqual(warnings, [
    "62 own addresses are too many for a datagram: the first 61 are in question; " +
    "give --address to choose",
  ]);
});

Deno.test("prepare() flushes without a report when there is nothing to verify", () => {
  const { addresses, report, warnings } = prepared("127.0.0.1");
  assert.deepEqual([addresses, report], [[], false]);
  assert.deepEqual(warnings, ["No address of this machine's own to verify: give --address"]);
});

Deno.test("prepare() refuses to flush listed addresses when there are none", () => {
  assert.throws(() => prepared("127.0.0.1 --only"), {
    name: "RunError",
    exitCode: 2,
    message: "No address of this machine's own to flush: give --address",
  });
});

Deno.test("prepare() refuses a run without a target", () => {
  assert.throws(() => prepared("-a", []), {
    name: "RunError",
    exitCode: 1,
    message: /No interface/,
  });
  assert.throws(() => prepared("-a --interface e9"), { exitCode: 2, message: /No interface "e9"/ });
});

Deno.test("prepare() goes on without an interface that can't be used", () => {
  const { targets, faults } = prepared("-a --interface e0 --interface e9");
  assert.deepEqual(targets, ["192.0.2.255"]);
  assert.equal(faults.length, 1);
});

Deno.test("prepare() plans one signed request, by the name of this machine", () => {
  const plan = planOf("-a -A 192.0.2.1 -c 2 -i 20ms -w 30ms -p 99 --expect 12 --spread 40ms");
  const { content, udpPort, schedule, waitMs, expectation, opening } = plan;
  assert.ok(content.kind === "signed");
  assert.equal(content.key.idText, key.idText);
  const [{ addresses, ...request }, ...others] = content.requests;
  assert.deepEqual(others, []);
  assert.deepEqual(addresses.map(formatPrefix), ["192.0.2.1"]);
  const asked = { action: "flush all", acknowledge: true, report: true, ackSpreadMs: 40 };
  assert.deepEqual(request, { ...asked, sender: "r1" });
  assert.deepEqual([udpPort, schedule, waitMs], [99, { count: 2, intervalMs: 20 }, 30]);
  assert.deepEqual(expectation, { kind: "count", count: 12 });
  assert.equal(opening, `Key ${key.idText}, to 192.0.2.255, 198.51.100.127`);
});

for (
  const [options, spreadMs] of [
    ["--spread 0 --expect 5000", 0],
    ["--spread 65.535", 65_535],
    ["", 0],
    ["--expect 1", 0],
    ["--expect 50", 25],
    ["--expect 1000", 500],
    ["--expect 1000000", 800],
  ] as const
) {
  Deno.test(`prepare() spreads acks over ${spreadMs} ms with "${options}"`, () => {
    const { content } = planOf(`-a ${options}`.trim());
    assert.ok(content.kind === "signed");
    assert.equal(content.requests[0].ackSpreadMs, spreadMs);
  });
}

/** Writes a file and prepares a run whose command line names it; a line of options has its place. */
async function prepareWith(
  options: string,
  content: string | null,
  mode = 0o600,
): Promise<Plan> {
  const plans: Plan[] = [];
  await withFolder((folder) => {
    if (content !== null) Deno.writeTextFileSync(`${folder}/file`, content, { mode });
    plans.push(planOf(`${options} ${folder}/file 127.0.0.1`));
    return Promise.resolve();
  });
  return plans[0];
}

Deno.test("prepare() reads the password of 2009 from a file, its line alone, and needs no key", async () => {
  const { content, warnings } = await prepareWith("--password-file", "pass wörd \r\n");
  assert.deepEqual(content, { kind: "password", password: "pass wörd " });
  assert.deepEqual(warnings, ["Anyone on the wire can read this password and repeat it"]);
});

Deno.test("prepare() reads the names of expected hosts from a file", async () => {
  const { expectation } = await prepareWith("--expect", "# all\nWEB1.example.org\nDB1\n");
  assert.deepEqual(expectation, { kind: "names", names: ["WEB1.example.org", "DB1"] });
});

const isUnix = Deno.build.os !== "windows";

/** Files of no use, by option. Their content says `secret` where no message may show it. */
for (
  const [options, what, content, mode, message] of [
    ["-k", "missing", null, 0o600, /^Cannot read key file ".*\/file": No such file or directory$/],
    [
      "-k",
      "open to others",
      "secret",
      0o644,
      /": refused, others can read it \(mode 0644\); run chmod/,
    ],
    ["-k", "wrong", "# key\nsecret\n", 0o600, /^Cannot read key file ".*": line 2 is not a key/],
    ["-k", "empty", "", 0o600, /": it holds no key$/],
    ["--password-file", "open to others", "secret", 0o644, /refused, others can read it/],
    ["--password-file", "empty", "\n", 0o600, /^Cannot read password file ".*": it is empty$/],
    ["--password-file", "of several lines", "secret\nb\n", 0o600, /it has several lines$/],
    ["--expect", "missing", null, 0o600, /^Cannot read expected hosts from ".*": No such file or/],
    ["--expect", "wrong", "a b\n", 0o600, /": line 1 is not a host name: "a b"$/],
  ] as const
) {
  Deno.test({
    name:
      `prepare() refuses a file for ${options} that is ${what}, in one line that shows no secret`,
    ignore: !isUnix,
    fn: () =>
      assert.rejects(
        prepareWith(options, content, mode),
        (error: Error & { exitCode?: number }) => {
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret|\n/);
          return error.name === "RunError" && error.exitCode === 2;
        },
      ),
  });
}
