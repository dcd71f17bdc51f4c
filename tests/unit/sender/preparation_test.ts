import assert from "node:assert/strict";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import { type Plan, prepare } from "../../../lib/sender/preparation.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";
import { interfaces, router } from "./helpers.ts";
import { testRouter, withFolder } from "./sender_process.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const keyFile = `${folder}/key`;
await Deno.writeTextFile(keyFile, `${testRouter.secretText}\n`, { mode: 0o600 });

/** The plan of a command line, which gets the tests' key unless it has a secret. */
async function planOf(line: string, machine = router): Promise<Plan> {
  const hasSecret = /(^| )(-k|-P|--password)/.test(line);
  const command = parseArguments([...line.split(" "), ...hasSecret ? [] : ["-k", keyFile]]);
  if (command.kind !== "send") throw new Error(command.kind);
  return await prepare(command.options, machine, "r1");
}

function requestsOf({ exchange: { content } }: Plan) {
  return content.kind === "signed" ? content.requests : [];
}

async function prepared(line: string, machine = router) {
  const plan = await planOf(line, machine);
  const { faults, warnings } = plan;
  return {
    requests: requestsOf(plan).map(({ fields, targets, links }) => ({
      links,
      action: fields.action,
      report: fields.report,
      targets: targets.map(({ hostname }) => hostname),
      addresses: fields.addresses.map(formatPrefix),
    })),
    faults,
    warnings,
  };
}

const asked = async (line: string) =>
  (await prepared(line)).requests.map(({ addresses }) => addresses);

Deno.test("prepare() asks on each link for this machine's own addresses, those there first", async () => {
  assert.deepEqual((await prepared("-a")).requests, [
    {
      links: [0],
      action: "flush all",
      report: true,
      targets: ["192.0.2.255"],
      addresses: ["192.0.2.1", "192.0.2.2", "10.8.0.1", "fe80::2", "2001:db8::2", "198.51.100.2"],
    },
    {
      links: [1],
      action: "flush all",
      report: true,
      targets: ["198.51.100.127"],
      addresses: ["198.51.100.2", "10.8.0.1", "fe80::12", "192.0.2.1", "192.0.2.2", "2001:db8::2"],
    },
  ]);
  const [only] = await asked("-a --interface e1");
  assert.deepEqual([...only].sort(), ["10.8.0.1", "198.51.100.2", "fe80::12"]);
});

Deno.test("prepare() asks a named host for all own addresses that mean the same everywhere", async () => {
  assert.deepEqual(await asked("198.51.100.7"), [
    ["192.0.2.1", "192.0.2.2", "198.51.100.2", "10.8.0.1", "2001:db8::2"],
  ]);
});

Deno.test("prepare() lists addresses exactly when the request's format wants them", async () => {
  const shown = async (line: string) => {
    const { requests: [{ addresses, report }] } = await prepared(line);
    return [addresses.length > 0, report];
  };
  assert.deepEqual(await shown("-a"), [true, true]);
  assert.deepEqual(await shown("-a --no-verify"), [false, false]);
  assert.deepEqual(await shown("-a --only"), [true, true]);
  assert.deepEqual(await shown("-a --only --no-verify"), [true, false]);
  assert.deepEqual(await shown("-a --probe"), [true, true]);
  assert.deepEqual(await shown("-a --probe --no-verify"), [false, false]);
});

Deno.test("prepare() takes given addresses on each link, and warns of those not held", async () => {
  // Nothing can be looked up for a network, but for what this router has in it.
  const given = ["192.0.2.1", "192.0.2.0/24"];
  const wanted = [...given, "192.0.2.2"];
  assert.deepEqual(await asked("-a -A 192.0.2.1 -A 192.0.2.0/24"), [wanted, wanted]);
  assert.deepEqual((await prepared("-a -A 203.0.113.0/24")).warnings, [
    "This machine holds no address in 203.0.113.0/24: nobody is asked what is true of it",
  ]);
  assert.deepEqual((await prepared("-a -A 203.0.113.1")).warnings, [
    "This machine does not hold 203.0.113.1: any link-layer address reported for it counts as STUCK",
  ]);
});

Deno.test("prepare() plans further requests on a link for more addresses than one holds", async () => {
  const machine = interfaces(
    "e0 192.0.2.2/24",
    ...Array.from({ length: 120 }, (_, i) => `e0 10.0.0.${i}/32`),
  );
  const shown = (line: string) =>
    prepared(line, machine).then(({ requests }) =>
      requests.map(({ action, addresses, links }) => [action, addresses.length, ...links])
    );
  const listed = [["flush all", 55, 0], ["flush listed", 55, 0], ["flush listed", 11, 0]];
  assert.deepEqual(await shown("-a"), listed);
  const probes = listed.map(([_, ...rest]) => ["probe", ...rest]);
  assert.deepEqual(await shown("-a --probe"), probes);
});

/** A router with two links, and so many virtual addresses on each. */
const wideRouter = (count: number) =>
  interfaces(...[0, 1].flatMap((link) => {
    const mac = `02:00:00:00:00:0${link}`;
    const addresses = Array.from(
      { length: count },
      (_, i) => `e${link} 10.${link}.1.${i}/32 ${mac}`,
    );
    return [`e${link} 10.${link}.0.2/16 ${mac}`, `e${link} fe80::${link}/64 ${mac}`, ...addresses];
  }));

Deno.test("prepare() asks in further requests on all links for what doesn't fit into one a link", async () => {
  const shown = async (line: string, count: number) =>
    (await prepared(line, wideRouter(count))).requests
      .map(({ action, addresses, links, targets }) =>
        [action, addresses.length, links.join(" "), targets.length].join(" ")
      );
  assert.deepEqual(await shown("-a", 26), ["flush all 55 0 1", "flush all 55 1 1"]);
  const links = ["flush all 29 0 1", "flush all 29 1 1"];
  const further = ["flush listed 55 0 1 2", "flush listed 1 0 1 2"];
  assert.deepEqual(await shown("-a", 27), [...links, ...further]);
  assert.deepEqual(await shown("-a -A 10.0.1.1", 27), ["flush all 1 0 1", "flush all 1 1 1"]);
  assert.deepEqual(await shown("-a --no-verify", 27), ["flush all 0 0 1", "flush all 0 1 1"]);
  const probes = ["probe 29 0 1", "probe 29 1 1", "probe 55 0 1 2", "probe 1 0 1 2"];
  assert.deepEqual(await shown("-a --probe", 27), probes);
});

const bare = interfaces("lo 127.0.0.1/8");

Deno.test("prepare() flushes without a report when there is nothing to verify", async () => {
  const { requests: [{ addresses, report }], warnings } = await prepared("192.0.2.7", bare);
  assert.deepEqual([addresses, report], [[], false]);
  assert.deepEqual(warnings, ["No address of this machine's own to verify: give --address"]);
});

Deno.test("prepare() refuses to flush listed addresses when there are none", async () => {
  await assert.rejects(prepared("192.0.2.7 --only", bare), {
    name: "RunError",
    exitCode: 2,
    message: "No address of this machine's own to flush: give --address",
  });
});

Deno.test("prepare() refuses a run without a target", async () => {
  const none = { name: "RunError", exitCode: 1, message: /No interface/ };
  await assert.rejects(prepared("-a", []), none);
  const unknown = { exitCode: 2, message: /No interface "e9"/ };
  await assert.rejects(prepared("-a --interface e9"), unknown);
});

Deno.test("prepare() goes on without an interface that can't be used", async () => {
  const { requests, faults } = await prepared("-a --interface e0 --interface e9");
  assert.deepEqual(requests.map(({ targets }) => targets), [["192.0.2.255"]]);
  assert.equal(faults.length, 1);
});

Deno.test("prepare() takes over what the command line says, and this machine's name", async () => {
  const plan = await planOf(
    "-a -A 192.0.2.1 -c 2 -i 20ms -w 30ms -p 99 --expect 12 --spread 40ms",
  );
  const { udpPort, schedule, waitMs, expected } = plan.exchange;
  const [{ fields: { addresses: _, ...fields } }] = requestsOf(plan);
  const asked = { action: "flush all", acknowledge: true, report: true, ackSpreadMs: 40 };
  assert.deepEqual(fields, { ...asked, sender: "r1" });
  assert.deepEqual([udpPort, schedule, waitMs], [99, { count: 2, intervalMs: 20 }, 30]);
  assert.deepEqual([expected.count, expected.hosts], [12, []]);
  assert.equal(plan.opening, `Key ${testRouter.key.idText}, to 192.0.2.255, 198.51.100.127`);
});

Deno.test("prepare() counts answers from its links and targets, and knows its own", async () => {
  const { exchange: { wasSentTo, isOwnAddress } } = await planOf("-a 203.0.113.7");
  for (const from of ["192.0.2.77", "2001:db8::9", "fe80::7%e0", "203.0.113.7"]) {
    assert.ok(wasSentTo(from), from);
  }
  for (const from of ["203.0.113.8", "10.8.0.5", "2001:db9::1"]) assert.ok(!wasSentTo(from), from);
  assert.ok(isOwnAddress("192.0.2.2") && !isOwnAddress("192.0.2.3"));
});

const spreads: [options: string, spreadMs: number][] = [
  ...[["--spread 0 --expect 5000", 0], ["--spread 65.535", 65_535], ["", 0]],
  ...[["--expect 1", 0], ["--expect 50", 25], ["--expect 1000", 500], ["--expect 1000000", 800]],
] as [string, number][];
for (const [options, spreadMs] of spreads) {
  Deno.test(`prepare() spreads acks over ${spreadMs} ms with "${options}"`, async () => {
    const [{ fields }] = requestsOf(await planOf(`-a ${options}`.trim()));
    assert.equal(fields.ackSpreadMs, spreadMs);
  });
}

/** Writes a file and prepares a run whose command line names it; a line of options has its place. */
async function prepareWith(
  options: string,
  content: string | null,
  mode = 0o600,
): Promise<Plan> {
  const plans: Plan[] = [];
  await withFolder(async (folder) => {
    if (content !== null) Deno.writeTextFileSync(`${folder}/file`, content, { mode });
    plans.push(await planOf(`${options} ${folder}/file 127.0.0.1`));
  });
  return plans[0];
}

Deno.test("prepare() reads the password of 2009 from a file, its line alone, and needs no key", async () => {
  const { exchange: { content }, warnings } = await prepareWith(
    "--password-file",
    "pass wörd \r\n",
  );
  assert.ok(content.kind === "password");
  assert.equal(content.password, "pass wörd ");
  assert.deepEqual(warnings, ["Anyone on the wire can read this password and repeat it"]);
});

Deno.test("prepare() reads the expected hosts from a file", async () => {
  const { exchange: { expected } } = await prepareWith("--expect", "# all\nWEB1 192.0.2.7\nDB1\n");
  assert.deepEqual(expected.hosts.map(({ label }) => label), ["WEB1", "DB1"]);
});

const isUnix = Deno.build.os !== "windows";

/** Files of no use, by option. Their content says `hunter2` where no message may show it. */
const useless: [options: string, what: string, content: string | null, mode: number, RegExp][] = [
  ["-k", "missing", null, 0o600, /^Cannot read key file ".*\/file": No such file or directory$/],
  ["-k", "open to others", "hunter2", 0o644, /": refused, others can read it \(mode 0644\); run /],
  ["-k", "wrong", "# key\nhunter2\n", 0o600, /^Cannot use key file ".*": line 2 is not a router's/],
  ["-k", "empty", "", 0o600, /": it holds no key$/],
  ["--password-file", "open to others", "hunter2", 0o644, /refused, others can read it/],
  ["--password-file", "empty", "\n", 0o600, /^Cannot read password file ".*": it is empty$/],
  ["--password-file", "of several lines", "hunter2\nb\n", 0o600, /it has several lines$/],
];
for (const [options, what, content, mode, message] of useless) {
  Deno.test({
    name: `prepare() refuses a file for ${options} that is ${what}, in a line that shows no secret`,
    ignore: !isUnix,
    fn: () =>
      assert.rejects(
        prepareWith(options, content, mode),
        (error: Error & { exitCode?: number }) => {
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /hunter2|\n/);
          return error.name === "RunError" && error.exitCode === 2;
        },
      ),
  });
}
