import fc from "fast-check";
import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { parseArguments, senderOptions, type SendOptions } from "../../../lib/sender/arguments.ts";
import { usageOn } from "../../../lib/sender/help.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";

function options(...args: string[]): SendOptions {
  const command = parseArguments(args);
  if (command.kind !== "send") throw new Error(`Parsed as ${command.kind}`);
  return command.options;
}

const defaults: SendOptions = {
  all: true,
  interfaceNames: [],
  hosts: [],
  port: 27735,
  sourcePorts: { first: 27736, last: 27799 },
  count: 5,
  intervalMs: 1000,
  waitMs: 2000,
  spread: "auto",
  secret: { kind: "key file", path: "/etc/arpflush/key" },
  action: "flush all",
  verify: true,
  addresses: null,
  expect: null,
  ask: null,
  output: "text",
  quiet: false,
  verbose: false,
  syslog: false,
  unlessFollowing: false,
  historyFile: null,
  metricsFile: null,
};

Deno.test("parseArguments() fills in the defaults", () => {
  assert.deepEqual(options("-a"), defaults);
});

Deno.test("parseArguments() sends no datagram for --ask without -a", () => {
  const optionsOf = (...args: string[]) => {
    const { all, hosts, ask } = options(...args);
    return [all, hosts.map(({ hostname }) => hostname), ask?.only];
  };
  assert.deepEqual(optionsOf("--ask"), [true, [], true]);
  assert.deepEqual(optionsOf("--ask", "web1"), [false, ["web1"], true]);
  assert.deepEqual(optionsOf("--ask", "-a", "web1"), [true, ["web1"], false]);
});

/** Command lines besides `-a`, and what they change. */
const parsed: [string, Partial<SendOptions>][] = [
  ["--interface e0 --interface=e1 --interface e0", { interfaceNames: ["e0", "e1"] }],
  ["-k key", { secret: { kind: "key file", path: "key" } }],
  ["--port 65535", { port: 65535 }],
  ["--source-port 5000", { sourcePorts: { first: 5000, last: 5000 } }],
  ["--source-port 5000-5010", { sourcePorts: { first: 5000, last: 5010 } }],
  ["--ask", { ask: { only: false, pace: 10, sweep: false } }],
  ["--ask --pace 1000 --sweep", { ask: { only: false, pace: 1000, sweep: true } }],
  ["--probe --pins", { action: "probe", output: "pins" }],
  ["-c5 --count=1000", { count: 1000 }],
  ["-i 200ms", { intervalMs: 200 }],
  ["--interval 0.5", { intervalMs: 500 }],
  ["--interval=3600s", { intervalMs: 3_600_000 }],
  ["-w 0", { waitMs: 0 }],
  ["--wait 2", { waitMs: 2000 }],
  ["--spread auto", { spread: "auto" }],
  ["--spread 0", { spread: 0 }],
  ["--spread 65.535", { spread: 65_535 }],
  ["--only", { action: "flush listed" }],
  ["--probe", { action: "probe" }],
  ["--no-verify", { verify: false }],
  ["--only --no-verify", { action: "flush listed", verify: false }],
  ["--probe --no-verify", { action: "probe", verify: false }],
  ["--expect 12", { expect: { kind: "count", count: 12 } }],
  ["--expect ./12", { expect: { kind: "file", path: "./12" } }],
  ["--expect=hosts", { expect: { kind: "file", path: "hosts" } }],
  ["-P TopSecret!", { secret: { kind: "password", password: "TopSecret!" } }],
  ["--password-file p", { secret: { kind: "password file", path: "p" } }],
  ["-P x --json -c 2 -i 1 -p 9 --no-verify", {
    secret: { kind: "password", password: "x" },
    output: "json",
    count: 2,
    port: 9,
    verify: false,
  }],
  ["--json", { output: "json" }],
  ["-q", { quiet: true }],
  ["-v", { verbose: true }],
  ["--syslog", { syslog: true }],
  ["--unless-following", { unlessFollowing: true }],
  ["--history h --metrics=m.prom", { historyFile: "h", metricsFile: "m.prom" }],
];
for (const [line, changes] of parsed) {
  Deno.test(`parseArguments() reads "-a ${line}"`, () => {
    assert.deepEqual(options("-a", ...line.split(" ")), { ...defaults, ...changes });
  });
}

Deno.test("parseArguments() reads addresses in question, each once", () => {
  const { addresses } = options(
    ..."-a -A 192.0.2.1 -A2001:db8::1 --address=192.0.2.0/24 --address 192.0.2.1".split(" "),
  );
  assert.deepEqual(addresses?.map(formatPrefix), ["192.0.2.1", "2001:db8::1", "192.0.2.0/24"]);
});

Deno.test("parseArguments() takes hosts anywhere, and anything behind --", () => {
  const { all, hosts } = options("web1", "-c", "1", "2001:DB8::7", "--", "192.0.2.9");
  assert.equal(all, false);
  assert.deepEqual(hosts.map(({ hostname }) => hostname), ["web1", "2001:db8::7", "192.0.2.9"]);
});

Deno.test("parseArguments() knows help, version and keygen, whatever else is asked for", () => {
  assert.deepEqual(parseArguments(["--help"]), { kind: "help" });
  assert.deepEqual(parseArguments(["-h", "--bogus"]), { kind: "help" });
  assert.deepEqual(parseArguments(["--version", "-c", "x"]), { kind: "version" });
  assert.deepEqual(parseArguments(["--keygen"]), { kind: "keygen" });
});

Deno.test("parseArguments() reads --follow with the options of a run", () => {
  const command = parseArguments(["-a", "--follow", "/run/fifo", "-c", "3"]);
  const options = { ...defaults, count: 3 };
  assert.deepEqual(command, { kind: "follow", fifo: "/run/fifo", options });
});

Deno.test("parseArguments() reads the command history, and a host of that name behind --", () => {
  const path = "/var/lib/arpflush-router/history.jsonl";
  assert.deepEqual(parseArguments(["history"]), { kind: "history", path, json: false });
  const named = { kind: "history", path: "h", json: true };
  assert.deepEqual(parseArguments(["history", "--json", "h"]), named);
  assert.deepEqual(parseArguments(["history", "-h"]), { kind: "help" });
  assert.deepEqual(options("--", "history").hosts.map(({ hostname }) => hostname), ["history"]);
});

const refused: [string, string][] = [
  ["history a b", 'Unknown argument "b"'],
  ["history --all", "Unknown option --all"],
  ["-a --metrics=", "Option --metrics must not be empty"],
  ["", "Name a HOST, or give --all"],
  ["--interface e0 web1", "Option --interface narrows --all; give both"],
  ["-a --pace 5", "Option --pace needs --ask"],
  ["-a --sweep", "Option --sweep needs --ask"],
  ["--ask --pace 0", 'Option --pace must be a whole number from 1 to 100000, not "0"'],
  ["-a --ask --probe --pins", "Options --ask and --pins conflict"],
  ["-a -c 0", 'Option --count must be a whole number from 1 to 1000, not "0"'],
  ["-a -c 1001", 'Option --count must be a whole number from 1 to 1000, not "1001"'],
  ["-a -p 65536", 'Option --port must be a whole number from 1 to 65535, not "65536"'],
  ["-a -p 0", 'Option --port must be a whole number from 1 to 65535, not "0"'],
  ["-a -i 0", 'Option --interval must be a time from 1ms to 3600s (1s, 200ms, 0.5), not "0"'],
  ["-a -i 1h", 'Option --interval must be a time from 1ms to 3600s (1s, 200ms, 0.5), not "1h"'],
  ["-a -w -1", 'Option --wait must be a time from 0s to 3600s (1s, 200ms, 0.5), not "-1"'],
  ["-a -w 3601", 'Option --wait must be a time from 0s to 3600s (1s, 200ms, 0.5), not "3601"'],
  ["-a -A x", 'Option --address: "x" is not an IPv4 or IPv6 address or prefix'],
  ["-a --probe --only", "Options --probe and --only conflict"],
  ["-a -A ::1 --no-verify", "Option --address has no use with --no-verify unless --only is given"],
  ["-a --expect 0", 'Option --expect must be a whole number from 1 to 1000000, not "0"'],
  ["-a --expect -1", 'Option --expect must be a whole number from 1 to 1000000, not "-1"'],
  ["-a --expect=", "Option --expect must not be empty"],
  ["-a --key-file=", "Option --key-file must not be empty"],
  ["-a --password=", "Option --password must not be empty"],
  ["-a --password-file=", "Option --password-file must not be empty"],
  ["-a -P x -k y", "Options --password and --key-file conflict"],
  ["-a --password-file x -k y", "Options --password-file and --key-file conflict"],
  ["-a -P x --password-file y", "Options --password and --password-file conflict"],
  ["-a -P x --expect 1", "Option --expect needs a key: nobody acknowledges a password"],
  ["-a -P x --probe", "Option --probe needs a key: nobody acknowledges a password"],
  ["-a -P x --only", "Option --only needs a key: nobody acknowledges a password"],
  ["-a -P x -A ::1", "Option --address needs a key: nobody acknowledges a password"],
  [
    "-a --spread 65.536",
    'Option --spread must be a time from 0s to 65535ms (1s, 200ms, 0.5), not "65.536"',
  ],
  ["-a -P x --spread 1", "Option --spread needs a key: nobody acknowledges a password"],
  ["-a --password-file x -w 1", "Option --wait needs a key: nobody acknowledges a password"],
  ["-a -q -v", "Options --quiet and --verbose conflict"],
  ["-a --follow f -A ::1", "Options --follow and --address conflict"],
  ["-a --follow f --probe", "Options --follow and --probe conflict"],
  ["-a --follow f --json", "Options --follow and --json conflict"],
  ["-a --follow f --unless-following", "Options --follow and --unless-following conflict"],
  ["-a --follow f --notify INSTANCE V MASTER 1", "Options --follow and --notify conflict"],
  ["--follow f", "Name a HOST, or give --all"],
  ["-a --follow=", "Option --follow must not be empty"],
  ["-", '"-" is neither an address nor a host name'],
];
for (const [line, message] of refused) {
  Deno.test(`parseArguments() refuses "${line}"`, () => {
    const args = line === "" ? [] : line.split(" ");
    assert.throws(() => parseArguments(args), { name: "UsageError", message });
  });
}

Deno.test("parseArguments() takes as many addresses in question as there are", () => {
  const args = Array.from({ length: 300 }, (_, i) => ["-A", `10.0.${i >> 8}.${i & 255}`]).flat();
  assert.equal(options("-a", ...args).addresses?.length, 300);
});

/** What is said of a command line with --notify whose state is not MASTER. */
function notified(...words: string[]): string {
  const command = parseArguments(["-a", "--notify", ...words]);
  if (command.kind !== "nothing") throw new Error(`Parsed as ${command.kind}`);
  return command.line;
}

Deno.test("parseArguments() acts on keepalived's MASTER and on no other state", () => {
  const command = (state: string) =>
    parseArguments(["-a", "-v", "--notify", "INSTANCE", "VI_1", state, "100"]);
  assert.deepEqual(command("MASTER"), { kind: "send", options: { ...defaults, verbose: true } });
  for (const state of ["BACKUP", "FAULT", "STOP", "DELETED", "MASTER_RX_LOWER_PRI", "master"]) {
    const line = `INSTANCE VI_1 is ${state}: nothing to do`;
    assert.deepEqual(command(state), { kind: "nothing", line, verbose: true });
  }
});

Deno.test("parseArguments() takes hosts before keepalived's words, and no option among them", () => {
  const args = ["--notify", "web1", "INSTANCE", "-q", "MASTER", "100"];
  assert.deepEqual(options(...args).hosts.map(({ hostname }) => hostname), ["web1"]);
  assert.equal(options(...args).quiet, false);
});

/** What keepalived and shells make of an instance's or a group's name and state. */
const notifications: [words: string[], said: string][] = [
  [["GROUP", "VG", "BACKUP", "0"], "GROUP VG is BACKUP"],
  // A keepalived that has no priority.
  [["INSTANCE", "VI_1", "FAULT"], "INSTANCE VI_1 is FAULT"],
  // Quotes that were left in place.
  [['"INSTANCE"', '"VI_1"', "'STOP'", '"100"'], "INSTANCE VI_1 is STOP"],
  [["INSTANCE", "in house", "FAULT", "1"], "INSTANCE in house is FAULT"],
  // A name that a shell took apart.
  [["INSTANCE", "inside", "the", "house", "FAULT", "1"], "INSTANCE inside the house is FAULT"],
  // Names that look like something else.
  ...["INSTANCE", "GROUP", "MASTER", "-q", "--help", "100", "it's", '"', ""].map((
    name,
  ): [string[], string] => [["INSTANCE", name, "FAULT", "100"], `INSTANCE ${name} is FAULT`]),
];
for (const [words, said] of notifications) {
  Deno.test(`parseArguments() reads keepalived's ${JSON.stringify(words.join(" "))}`, () => {
    assert.equal(notified(...words), `${said}: nothing to do`);
  });
}

for (
  const words of [[], ["VI_1", "MASTER", "100"], ["INSTANCE"], ["INSTANCE", "MASTER"], ["web1"]]
) {
  Deno.test(`parseArguments() refuses --notify with "${words.join(" ")}"`, () => {
    assert.throws(() => notified(...words), /^UsageError: Option --notify needs keepalived's/);
  });
}

Deno.test("parseArguments() takes no words of keepalived's from before --notify", () => {
  assert.throws(
    () => parseArguments(["INSTANCE", "VI_1", "--notify", "100"]),
    /^UsageError: Option --notify needs/,
  );
});

Deno.test("parseArguments() gives a command or a UsageError of one line for any arguments", () => {
  const words = [..."akpciwAPqvh"].map((letter) => `-${letter}`).concat(
    [...usage.matchAll(/--[a-z-]+/g)].map(([option]) => option),
    ["--", "-", "", "1", "0.5", "::1", "192.0.2.0/24", "web1", "INSTANCE", "MASTER", "=", "-c=1"],
  );
  const argument = fc.oneof(fc.constantFrom(...words), fc.string());
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (args) => {
      try {
        parseArguments(args);
      } catch (error) {
        assert.ok(error instanceof UsageError, String(error));
        assert.notEqual(error.message, "");
      }
    }),
    { numRuns: 2000 },
  );
});

const usage = usageOn("unix");

Deno.test("usageOn() names every option with its letter, no other, and fits a terminal", () => {
  const lines = usage.trimEnd().split("\n");
  assert.ok(lines.every((line) => [...line].length < 80), "a line over 79 columns");
  assert.ok(lines.length < 50, `${lines.length} lines`);
  const named = new Set(usage.match(/(-\w, )?--[a-z]+(-[a-z]+)*/g));
  for (const [name, option] of Object.entries(senderOptions)) {
    const short = "letter" in option ? `-${option.letter}, ` : "";
    assert.ok(named.delete(`${short}--${name}`), name);
    named.delete(`--${name}`);
  }
  assert.deepEqual([...named], []);
});

Deno.test("usageOn() leaves out on Windows what only routers have", () => {
  const windowsUsage = usageOn("windows");
  const routersOnly = ["--follow", "--notify", "--syslog", "--unless-following"];
  const optionsIn = (text: string) => new Set(text.match(/--[a-z]+(-[a-z]+)*/g));
  const missing = optionsIn(usage).difference(optionsIn(windowsUsage));
  assert.deepEqual([...missing].sort(), routersOnly);
  assert.deepEqual([...optionsIn(windowsUsage).difference(optionsIn(usage))], []);
  assert.doesNotMatch(windowsUsage, /keepalived|\/etc\/|^ {2}arpflush /m);
  assert.match(windowsUsage, /-k, --key-file FILE {4}default C:\\ProgramData\\ArpFlush\\key$/m);
});
