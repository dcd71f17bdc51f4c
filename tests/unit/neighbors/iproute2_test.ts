import assert from "node:assert/strict";
import {
  parseNeighbors,
  readFlushes,
  readIpResult,
  wantedAt,
} from "../../../lib/neighbors/iproute2.ts";
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
    const { address, interfaceName, linkLayerAddress, state, permanent } = entry;
    const lladdr = linkLayerAddress === null ? "-" : formatLinkLayerAddress(linkLayerAddress);
    const words = [formatAddress(address), interfaceName, lladdr, state === "" ? "-" : state];
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

for (const line of ["192.0.2.2 dev e0 STALE", "{}", "null", "", "x".repeat(5_000)]) {
  Deno.test(`parseNeighbors() refuses ${JSON.stringify(line).slice(0, 30)}`, () => {
    assert.throws(() => parseNeighbors(line), {
      name: "NeighborCacheError",
      code: 5,
      message: /^Cannot read the output of "ip": no (JSON|array): .{0,201}$/,
    });
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

const bailsOut = "*** Flush not complete bailing out after 10 rounds";
const gone = "RTNETLINK answers: No such file or directory\nCommand failed -:1\n";
const fileExists = "RTNETLINK answers: File exists";
const exists = `Command failed -:1\n${fileExists}\nCommand failed -:2\n`;
const noDevice = 'Cannot find device "e9"';
const corrupted = "Database /etc/iproute2/rt_protos is corrupted at 999 foo\nWarning: odd\n";

/**
 * How a run ended, what it printed, which errno are tolerable, and what is read: how many complaints
 * are tolerated, or the failure.
 */
type Run = [code: number, stdout: string, stderr: string, tolerable: number[], number | string];
const runs: Readonly<Record<string, Run>> = {
  "gives the lines of a run that succeeded": [0, "[1]\n\n[2]\n", "Warning: old kernel\n", [], 0],
  "takes a flush that entries keep coming back to as done": [1, bailsOut, "", [], 0],
  "gives the first complaint": [1, "[1]\n", `${noDevice}\n${exists}`, [], `19 ${noDevice}`],
  "gives a complaint even if a flush bailed out": [2, bailsOut, exists, [], `17 ${fileExists}`],
  "passes over what ip says of its own files": [2, "", corrupted + gone, [2], 1],
  "counts complaints that are tolerable": [1, "[1]\n", gone + gone, [2, 19], 2],
  "finds the one that isn't tolerable": [1, "[1]\n", gone + exists, [2, 19], `17 ${fileExists}`],
  "gives the code of a run that failed without a word": [1, "", "", [], "5 it ended with code 1"],
  "gives the code of a run that was ended": [137, "", gone, [2], "5 it ended with code 137"],
};
for (const [what, [code, stdout, stderr, tolerable, expected]] of Object.entries(runs)) {
  Deno.test(`readIpResult() ${what}`, () => {
    const { lines, failure, tolerated } = readIpResult({ code, stdout, stderr }, tolerable);
    assert.deepEqual(lines, stdout.split("\n").filter(Boolean));
    const read = failure && `${failure.code} ${failure.message.replace('Cannot run "ip": ', "")}`;
    assert.equal(read ?? tolerated, expected);
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
