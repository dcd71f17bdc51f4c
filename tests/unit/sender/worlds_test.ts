/** What the sender says of random worlds, against what is true there. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { exitCode } from "../../../lib/sender/outcome.ts";
import { type HostResult, isGood } from "../../../lib/sender/verdict.ts";
import { formatAddress } from "../../../lib/wire/addresses.ts";
import { maxAddresses } from "../../../lib/wire/datagram.ts";
import { withFolder } from "./sender_process.ts";
import {
  type EndedWorld,
  type HostModel,
  type PlacedAddress,
  runIn,
  type World,
  worlds,
} from "./worlds.ts";

const numRuns = Number(Deno.env.get("ARPFLUSH_WORLDS") ?? 300);

/** What is true of an address at a host after a run. */
function truthOf(host: HostModel, one: PlacedAddress, own: ReadonlySet<string>, isProbe: boolean) {
  const text = formatAddress(one.address);
  if (host.linkTo(one.address) === null) return "no matter";
  // A later request may have flushed what an earlier one found; then the host asks again.
  const mac = host.now.get(text) ?? (isProbe ? null : one.answer);
  if (mac !== null) return own.has(mac) ? "healed" : "stuck";
  const isUsed = host.before.has(text) || host.gateways.has(text);
  return !isProbe && isUsed ? "no answer" : "no matter";
}

function judge(world: World, { outcome, hosts, placed, own, ownKey }: EndedWorld): void {
  const isProbe = world.action === "--probe";
  const virtual = placed.filter(({ index }) => index >= 0);
  const heard = hosts.filter(({ heardOn }) => heardOn.size > 0);
  const resultOf = ({ key }: HostModel) => outcome.hosts.filter(({ host }) => host.key === key);
  assert.equal(outcome.hosts.length, heard.length, "hosts that were heard");
  assert.ok(outcome.own.every(({ host }) => host.key === ownKey), "this machine");
  assert.ok(world.ownService === (outcome.own.length === 1), "this machine's service");
  for (const host of heard) {
    const results = resultOf(host);
    assert.equal(results.length, 1, "one result a host");
    const [result] = results;
    judgeFindings(host, result, placed, own, isProbe);
    // Of all that is on any of its links, whichever of them it was heard on.
    const asked = virtual.filter(({ address }) => host.linkTo(address) !== null);
    const truths = asked.map((one) => truthOf(host, one, own, isProbe));
    const isLossless = world.loss === 0;
    const worst = truths.includes("stuck")
      ? "stuck"
      : truths.includes("no answer")
      ? "no answer"
      : isProbe
      ? "alive"
      : "healed";
    if (isGood(result.state)) {
      assert.equal(result.state, worst, "a good word");
      const isReported = ({ address }: PlacedAddress) => host.reported.has(formatAddress(address));
      assert.ok(asked.every(isReported), "a good word on what was not looked at");
    }
    const { fault } = host.spec;
    if (isLossless && fault === "none") assert.equal(result.state, worst, "without loss");
    if (result.state === "failed") assert.ok(fault === "flush" || fault === "resolve" && isProbe);
    if (result.state === "unverified") assert.ok(!isLossless || fault !== "none", "unverified");
    if (result.state === "stale") assert.ok(!isLossless && host.spec.clockMs !== 0, "stale");
    assert.notEqual(result.state, "pending");
  }
  const isWhole = heard.length >= (world.expected ?? 1) &&
    heard.every((host) => isGood(resultOf(host)[0].state));
  assert.equal(outcome.exitCode, isWhole ? exitCode.good : exitCode.notGood, "exit code");
}

/** Each finding that is told is true. */
function judgeFindings(
  host: HostModel,
  { findings }: HostResult,
  placed: readonly PlacedAddress[],
  own: ReadonlySet<string>,
  isProbe: boolean,
): void {
  const byText = new Map(placed.map((one) => [formatAddress(one.address), one]));
  for (const { address, finding } of findings) {
    const text = formatAddress(address);
    const one = byText.get(text);
    if (one === undefined || one.index < 0 || finding === "unverified") continue;
    assert.equal(finding, truthOf(host, one, own, isProbe), text);
  }
}

Deno.test(`in ${numRuns} random worlds the sender says what is true`, () =>
  withFolder(async (_, keyFile) => {
    const property = fc.asyncProperty(worlds, async (world) => {
      judge(world, await runIn(world, keyFile));
    });
    await fc.assert(property, { numRuns });
  }));

Deno.test("a host with a link-local address and a wrong clock is repaired beside two links of one network", () =>
  withFolder(async (_, keyFile) => {
    const link = { length: 8, families: "4", isTwin: false } as const;
    const world: World = {
      links: [link, { ...link, families: "6" }, { ...link, families: "4 and 6", isTwin: true }],
      // One more than a request holds: the second one goes out on all links.
      virtual: Array.from({ length: maxAddresses + 1 }, () => ({
        ...{ link: 0, place: "link", family: 4, hasNetwork: false, isOutside: false },
        answeredBy: "router",
      } as const)),
      hosts: [{
        ...{ links: [1], name: 0, clockMs: 1e10, hasService: true, entries: ["missing"] },
        ...{ gateways: [false], fault: "none" },
      }],
      ...{ loss: 0, acksDropped: false, ownService: false, action: "", expected: null, random: 0 },
    };
    judge(world, await runIn(world, keyFile));
  }));

Deno.test("a permanent entry at a virtual router's link-layer address is right beside a link of the same network", () =>
  withFolder(async (_, keyFile) => {
    const link = { length: 8, families: "4", isTwin: false } as const;
    const world: World = {
      links: [link, { ...link, isTwin: true }],
      virtual: [{
        ...{ link: 1, place: "vmac", family: 4, hasNetwork: true, isOutside: false },
        answeredBy: "router",
      }],
      hosts: [{
        ...{ links: [1], name: 0, clockMs: 0, hasService: true, entries: ["permanent right"] },
        ...{ gateways: [false], fault: "none" },
      }],
      ...{ loss: 0, acksDropped: false, ownService: false, action: "", expected: null, random: 0 },
    };
    judge(world, await runIn(world, keyFile));
  }));
