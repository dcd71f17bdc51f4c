import assert from "node:assert/strict";
import {
  parseNeighbors,
  readFlushes,
  readIpResult,
  wantedAt,
  wasOvertaken,
} from "../../../lib/neighbors/iproute2.ts";
import { parseGateways } from "../../../lib/neighbors/linux_routes.ts";
import { formatAddress, formatLinkLayerAddress, parsePrefix } from "../../../lib/wire/addresses.ts";

/** As iproute2 6.1 prints them, with `-json`. */
const rows = [
  { dst: "192.0.2.2", dev: "e0", lladdr: "02:00:00:00:00:02", state: ["REACHABLE"] },
  { dst: "192.0.2.9", dev: "e0", state: ["INCOMPLETE"] },
  { dst: "fe80::1", dev: "e1", lladdr: "02:00:00:00:00:01", router: null, state: ["STALE"] },
  { dst: "198.51.100.1", dev: "gre0", lladdr: "203.0.113.9", state: ["NOARP"] },
  { dst: "192.0.2.3", dev: "e0", lladdr: "02:00:00:00:00:03", state: ["PERMANENT"] },
  {
    ...{ dst: "192.0.2.4", dev: "e0", lladdr: "02:00:00:00:00:04" },
    ...{ extern_learn: null, state: ["STALE"], proto: "zebra" },
  },
  // A router that announced itself without its link-layer address.
  { dst: "fe80::2", dev: "e0", router: null },
];

/** Entries as lines: address, interface, link-layer address, state, whether permanent. */
function read(value: unknown): string[] {
  return parseNeighbors(JSON.stringify(value)).map((entry) => {
    const { address, device, linkLayerAddress, state, permanent } = entry;
    const lladdr = linkLayerAddress === null ? "-" : formatLinkLayerAddress(linkLayerAddress);
    const words = [formatAddress(address), device, lladdr, state === "" ? "-" : state];
    return [...words, ...permanent ? ["permanent"] : []].join(" ");
  });
}

Deno.test("parseNeighbors() reads entries of both families", () => {
  assert.deepEqual(read(rows), [
    "192.0.2.2 e0 02:00:00:00:00:02 REACHABLE",
    "192.0.2.9 e0 - INCOMPLETE",
    "fe80::1 e1 02:00:00:00:00:01 STALE",
    "198.51.100.1 gre0 - NOARP permanent",
    "192.0.2.3 e0 02:00:00:00:00:03 PERMANENT permanent",
    "192.0.2.4 e0 02:00:00:00:00:04 STALE permanent",
    "fe80::2 e0 - -",
  ]);
});

const good = rows[0];
const odd: [what: string, row: unknown, read?: string][] = [
  ["text", "192.0.2.2"],
  ["null", null],
  ["an array", [good]],
  ["without an address", { ...good, dst: undefined }],
  ["whose address has a zone", { ...good, dst: "fe80::1%e0" }],
  ["whose address is a number", { ...good, dst: 3221225986 }],
  ["without an interface", { ...good, dev: undefined }],
  ["whose interface has an empty name", { ...good, dev: "" }],
  ["whose link-layer address is a number", { ...good, lladdr: 2 }, "- REACHABLE"],
  ["whose link-layer address is null", { ...good, lladdr: null }, "- REACHABLE"],
  ["without a state", { ...good, state: undefined }, "02:00:00:00:00:02 -"],
  ["whose state is text", { ...good, state: "STALE" }, "02:00:00:00:00:02 -"],
  ["of two states", { ...good, state: ["STALE", "X"] }, "02:00:00:00:00:02 STALE X"],
];

for (const [what, row, rest] of odd) {
  Deno.test(`parseNeighbors() reads the others beside a row that is or is ${what}`, () => {
    const other = "192.0.2.9 e0 - INCOMPLETE";
    const expected = rest === undefined ? [other] : [`192.0.2.2 e0 ${rest}`, other];
    assert.deepEqual(read([row, rows[1]]), expected);
  });
}

/** As iproute2 6.1 prints them: one hop, two hops (IPv6 in one route), an IPv6 hop (RFC 5549). */
const routes = [
  { dst: "default", gateway: "192.0.2.2", dev: "e0", flags: [] },
  {
    dst: "default",
    metric: 1024,
    nexthops: [{ gateway: "fe80::1", dev: "e0", weight: 1 }, { gateway: "fe80::2", dev: "e1" }],
  },
  { dst: "default", via: { family: "inet6", host: "2001:db8::2" }, dev: "e0", flags: [] },
  { dst: "default", dev: "ppp0", scope: "link", flags: [] },
  { dst: "default", gateway: "192.0.2.2", dev: "e1", metric: 100, flags: [] },
];

const gateways = (value: unknown) => parseGateways(JSON.stringify(value), false).map(formatAddress);

Deno.test("parseGateways() names each gateway once, those of several hops included", () => {
  assert.deepEqual(gateways(routes), ["192.0.2.2", "fe80::1", "fe80::2", "2001:db8::2"]);
});

Deno.test("parseGateways() leaves out what is odd and reads the rest", () => {
  const broken = ["default", null, { gateway: 1 }, { gateway: "router" }, { nexthops: {} }, {
    nexthops: ["192.0.2.3"],
  }, { via: "inet6 2001:db8::2" }];
  assert.deepEqual(gateways([...broken, routes[0]]), ["192.0.2.2"]);
});

for (const line of ["192.0.2.2 dev e0 STALE", "{}", "null", "", "x".repeat(5_000)]) {
  Deno.test(`parseNeighbors() and parseGateways() refuse ${JSON.stringify(line).slice(0, 30)}`, () => {
    for (const parse of [parseNeighbors, (line: string) => parseGateways(line, false)]) {
      assert.throws(() => parse(line), {
        name: "NeighborCacheError",
        code: 5,
        message: /^Cannot read the output of "ip": no (JSON|array): .{0,201}$/,
      });
    }
  });
}

/** Texts as iproute2 6.1 printed them. */
const complaints: [text: string, errno: number][] = [
  ["RTNETLINK answers: Operation not permitted", 1],
  ["Failed to send flush request: Operation not permitted", 1],
  ["RTNETLINK answers: No such file or directory", 2],
  ["RTNETLINK answers: File exists", 17],
  ['Cannot find device "e9"', 19],
  ["RTNETLINK answers: No buffer space available", 105],
  ["RTNETLINK answers: No route to host", 113],
  ["Something nobody has seen yet", 5],
];

for (const [text, errno] of complaints) {
  Deno.test(`readIpResult() reads "${text}" as ${errno}`, () => {
    const { failure } = readIpResult({ code: 1, stdout: "", stderr: text });
    assert.deepEqual([failure?.message, failure?.code], [`Cannot run "ip": ${text}`, errno]);
  });
}

/** The lines, and the failure's text and code. */
function outputOf(code: number, stdout: string, stderr: string, tolerable?: number[]) {
  const { lines, failure, tolerated } = readIpResult({ code, stdout, stderr }, tolerable);
  return failure === null ? [lines, tolerated] : [lines, failure.message, failure.code];
}

Deno.test("readIpResult() gives the lines of a run that succeeded", () => {
  assert.deepEqual(outputOf(0, "[ ]\n\n[]\n", "Warning: old kernel\n"), [["[ ]", "[]"], 0]);
});

const bailsOut = "*** Flush not complete bailing out after 10 rounds";

Deno.test("readIpResult() takes a flush that entries keep coming back to as done", () => {
  const lines = ["[1]", bailsOut, "[2]"];
  assert.deepEqual(outputOf(1, lines.join("\n"), "Command failed -:2\n"), [lines, 0]);
});

Deno.test("readIpResult() gives the first complaint of a run that failed, and what it printed", () => {
  const stderr = 'Command failed -:1\nCannot find device "e9"\nRTNETLINK answers: File exists\n';
  const expected = [["[1]"], 'Cannot run "ip": Cannot find device "e9"', 19];
  assert.deepEqual(outputOf(1, "[1]\n", stderr), expected);
});

Deno.test("readIpResult() gives a complaint even if a flush bailed out as well", () => {
  const stderr = "Command failed -:2\nRTNETLINK answers: Operation not permitted\n";
  const expected = [[bailsOut], 'Cannot run "ip": RTNETLINK answers: Operation not permitted', 1];
  assert.deepEqual(outputOf(2, bailsOut, stderr), expected);
});

Deno.test("readIpResult() passes over what ip says of its own files", () => {
  const stderr = "Database /etc/iproute2/rt_protos is corrupted at 999 foo\nWarning: odd\n" +
    "RTNETLINK answers: No such file or directory\n";
  const { failure, tolerated } = readIpResult({ code: 2, stdout: "", stderr }, [2]);
  assert.deepEqual([failure, tolerated], [null, 1]);
  assert.equal(readIpResult({ code: 2, stdout: "", stderr }).failure?.code, 2);
});

Deno.test("readIpResult() counts complaints that are tolerable, and finds the one that isn't", () => {
  const gone = "RTNETLINK answers: No such file or directory\nCommand failed -:1\n";
  const exists = "RTNETLINK answers: File exists\nCommand failed -:2\n";
  assert.deepEqual(outputOf(1, "[1]\n", gone + gone, [2, 19]), [["[1]"], 2]);
  const expected = [["[1]"], 'Cannot run "ip": RTNETLINK answers: File exists', 17];
  assert.deepEqual(outputOf(1, "[1]\n", gone + exists, [2, 19]), expected);
});

Deno.test("readIpResult() gives the exit code of a run that was ended or failed without a word", () => {
  const ended = (code: number) => `Cannot run "ip": it ended with code ${code}`;
  assert.deepEqual(outputOf(1, "", ""), [[], ended(1), 5]);
  const gone = "RTNETLINK answers: No such file or directory\n";
  assert.deepEqual(outputOf(137, "", gone, [2]), [[], ended(137), 5]);
});

for (
  const [text, overtaken] of [
    ["Failed to send flush request: No such file or directory", true],
    ["Failed to send flush request: No such device", true],
    ["Failed to send flush request: Operation not permitted", false],
    ["RTNETLINK answers: No such file or directory", false],
  ] as const
) {
  Deno.test(`wasOvertaken() is ${overtaken} for "${text}"`, () => {
    const { failure } = readIpResult({ code: 1, stdout: "", stderr: text });
    assert.equal(failure !== null && wasOvertaken(failure), overtaken);
  });
}

Deno.test("readFlushes() counts the first round of each flush, and the flushes that ended", () => {
  const lines = [
    "[]",
    "*** Round 1, deleting 12 entries ***",
    "*** Round 2, deleting 2 entries ***",
    "*** Flush is complete after 2 rounds ***",
    "Nothing to flush.",
    "*** Round 1, deleting 1 entries ***",
    "*** Flush is complete after 1 round ***",
    "*** Round 1, deleting 3 entries ***",
    bailsOut,
  ];
  assert.deepEqual(readFlushes(lines), { removed: 16, ended: 4 });
});

Deno.test("readFlushes() doesn't take a flush as ended that stopped half-way, nor what it doesn't know", () => {
  const lines = ["*** Round 1, deleting 12 entries ***", "Nothing to flush", "deleting 5 entries"];
  assert.deepEqual(readFlushes(lines), { removed: 12, ended: 0 });
  assert.deepEqual(readFlushes([]), { removed: 0, ended: 0 });
});

Deno.test("wantedAt() wants an address however the kernel writes it", () => {
  const isWanted = wantedAt(["192.0.2.1", "2001:db8::1", "::c000:201"].map(parsePrefix));
  const rows = ["192.0.2.1", "192.0.2.10", "2001:db8::1", "2001:db8::2", "::192.0.2.1"];
  assert.deepEqual(rows.filter(isWanted), ["192.0.2.1", "2001:db8::1", "::192.0.2.1"]);
});
