/** The judge of words finds every kind of lie, and takes no truth for one. */
import assert from "node:assert/strict";
import { liesIn, type Report } from "./words.ts";

/** What a sender says of one host and one address, what is so, and whether that is a lie. */
const words: [finding: string, state: string, answered: boolean, mac: string, lies: number][] = [
  ["healed", "healed", true, "own", 0],
  ["healed", "healed", false, "own", 1],
  ["healed", "healed", true, "other", 1],
  ["stuck", "stuck", false, "other", 0],
  ["stuck", "stuck", true, "own", 1],
  ["stuck", "healed", false, "other", 1],
  ["no answer", "no answer", false, "", 0],
  ["no answer", "no answer", true, "own", 1],
  ["no matter", "flushed", false, "", 0],
  ["no matter", "flushed", true, "own", 1],
  ["unverified", "unverified", true, "own", 1],
];
for (const [finding, state, answered, mac, lies] of words) {
  Deno.test(`liesIn() finds ${lies} in "${finding}", ${state}, answered ${answered} at ${mac}`, () => {
    const report: Report = {
      ...{ exitCode: ["healed", "flushed"].includes(state) ? 0 : 3, summary: "" },
      ...{ faults: [], hindrances: [], warnings: [] },
      hosts: [{ host: "h", state, text: state, reports: [{ address: "a", finding }] }],
      missing: { count: 0, names: [] },
    };
    const sight = { onLink: true, answered, linkLayerAddress: mac || null };
    const router = { addresses: new Set(["a"]), linkLayerAddresses: new Set(["own"]) };
    assert.equal(liesIn(report, new Map([["h", new Map([["a", sight]])]]), router).length, lies);
  });
}
