/**
 * The sender's word in random worlds built of namespaces, with real services, kernel tables and
 * firewalls, against a ping from each host to each address of the router.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { formatAddress } from "../../lib/wire/addresses.ts";
import { inFolder, isInstalled } from "../support/command.ts";
import {
  type HostModel,
  layOut,
  modelOf,
  type PlacedAddress,
  type World,
  worlds,
} from "../unit/sender/worlds.ts";
import { build, clear, firewalls, type Hindrances, routeBack } from "./worlds/build.ts";
import { maxHosts, openStage, type Stage } from "./worlds/stage.ts";

/** A seed, or a seed and the path that fast-check printed: that one world alone. */
const [seedText, path] = (Deno.env.get("ARPFLUSH_WORLDS_SEED") ?? "").split(" ");
const numRuns = path === undefined ? Number(Deno.env.get("ARPFLUSH_NAMESPACE_WORLDS") ?? 24) : 1;
const seed = seedText === "" ? Date.now() % 2 ** 31 : Number(seedText);
/** Worlds at a time: most of a run is waiting. */
const stages = Math.min(3, numRuns);
/** A world takes some 3 s. */
const maxMsAWorld = 12_000;

const smallWorlds: fc.Arbitrary<World> = worlds.map((world) => ({
  ...world,
  links: world.links.slice(0, 3),
  // The kernel has 1,024 neighbors for all namespaces together.
  hosts: world.hosts.slice(0, world.virtual.length > 55 ? 1 : maxHosts),
  loss: world.loss === 0.9 ? 0.6 as const : world.loss,
}));
const namespaceWorlds = fc.record({
  world: smallWorlds,
  hindrances: fc.record<Hindrances>({
    router: fc.constantFrom("none", "none", "none", ...firewalls),
    deafOn: fc.constantFrom(null, null, null, 0, 1),
    slowIp: fc.constantFrom(false, false, false, true),
  }),
});

/** What is read of the sender's document. */
interface Document {
  readonly hosts: readonly HostDocument[];
  readonly thisMachine: readonly HostDocument[];
}
interface HostDocument {
  readonly key: string;
  readonly state: string;
  readonly reports: readonly { readonly address: string; readonly finding: string }[];
}

/** A world after a run, as its machines and the sender tell it. */
interface EndedWorld {
  readonly world: World;
  readonly placed: readonly PlacedAddress[];
  readonly own: ReadonlySet<string>;
  readonly models: readonly HostModel[];
  readonly keys: readonly (string | null)[];
  readonly ownKey: string | null;
  /** Whether each host has a link with the router over which both can be heard. */
  readonly heard: readonly boolean[];
  readonly expected: number;
  readonly code: number;
  readonly document: Document;
  /** The router drops all IPv6, a ping through a right entry too. */
  readonly noIPv6: boolean;
  /** By host: the addresses that answered its ping. */
  readonly reached: readonly ReadonlySet<string>[];
}

/** What is true of an address at a host after a run, by the world alone. */
function truthOf(host: HostModel, one: PlacedAddress, { own, world }: EndedWorld): string {
  const text = formatAddress(one.address);
  if (host.linkTo(one.address) === null) return "no matter";
  const isProbe = world.action === "--probe";
  const kept = isProbe || host.permanent.has(text) ? host.before.get(text) ?? null : null;
  const mac = kept ?? (isProbe ? null : one.answer);
  if (mac !== null) return own.has(mac) ? "healed" : "stuck";
  return !isProbe && (host.before.has(text) || host.gateways.has(text)) ? "no answer" : "no matter";
}

/** Whether a host with this finding gets through to the address; null: that is not said. */
function getsThrough(finding: string): boolean | null {
  switch (finding) {
    case "healed":
      return true;
    case "stuck":
    case "no answer":
      return false;
    default:
      return null;
  }
}

function judgeHost(index: number, ended: EndedWorld): void {
  const { world, placed, models, keys, heard, document, reached, noIPv6 } = ended;
  const host = models[index];
  const results = document.hosts.filter(({ key }) => key === keys[index]);
  const isLossless = world.loss === 0 && !world.acksDropped;
  // A run ends when as many as are expected have answered: others may come too late.
  const isAwaited = ended.expected >= heard.filter(Boolean).length;
  if (isLossless && isAwaited && heard[index]) {
    assert.equal(results.length, 1, `host ${index} is heard`);
  }
  if (isLossless && !heard[index]) assert.equal(results.length, 0, `host ${index} can't be heard`);
  if (results.length === 0) return;
  const [{ state, reports }] = results;
  const isGood = ["healed", "flushed", "alive"].includes(state);
  const { fault } = host.spec;
  const isSure = isLossless && fault === "none";
  for (const one of placed.filter(({ index }) => index >= 0)) {
    const text = formatAddress(one.address);
    const truth = truthOf(host, one, ended);
    const isReached = reached[index].has(text);
    const isSilent = noIPv6 && one.address.family === 6;
    const through = getsThrough(truth);
    // A host whose clock is off has not flushed if the repair was lost, nor one that couldn't.
    if (through !== null && !isSilent && (isGood || isSure)) {
      assert.equal(isReached, through, `host ${index} at ${text}: ${truth}`);
    }
    if (isGood && !isSilent && truth !== "no matter") {
      assert.ok(isReached, `host ${index} at ${text}: ${state}`);
    }
    for (const { address, finding } of reports.filter(({ address }) => address === text)) {
      if (finding !== "unverified") assert.equal(finding, truth, `host ${index} at ${address}`);
      const said = getsThrough(finding);
      if (said !== null && !isSilent) {
        assert.equal(isReached, said, `host ${index} at ${address}: ${finding}`);
      }
    }
  }
  const truths = placed.filter((one) => one.index >= 0).map((one) => truthOf(host, one, ended));
  const worst = ["stuck", "no answer"].find((one) => truths.includes(one)) ??
    (world.action === "--probe" ? "alive" : "healed");
  if (isGood || isSure) assert.equal(state, worst, `host ${index}`);
  if (state === "failed") assert.ok(fault === "flush" || fault === "resolve", `host ${index}`);
  if (state === "unverified") assert.ok(!isSure, `host ${index}`);
}

function judge(ended: EndedWorld): void {
  const { world, models, keys, ownKey, document, code, expected } = ended;
  models.forEach((_, index) => judgeHost(index, ended));
  const known = [...keys, ownKey];
  assert.ok(document.hosts.every(({ key }) => known.includes(key) && key !== ownKey), "hosts");
  assert.ok(document.thisMachine.every(({ key }) => key === ownKey), "this machine");
  const good = document.hosts.filter(({ state }) => ["healed", "flushed", "alive"].includes(state));
  const isWhole = good.length === document.hosts.length && good.length >= expected;
  assert.equal(code, isWhole ? 0 : 3, `exit code, ${world.action}`);
}

/** Whether a host's answers have a way to the router. */
function isHeard(
  host: HostModel,
  { routerPlaces }: ReturnType<typeof layOut>,
  { router, deafOn }: Hindrances,
): boolean {
  const is4 = (address: string) => address.includes(".");
  const families = (places: HostModel["interfaces"], link: number) =>
    places.filter((one) => one.link === link).map(({ info }) => is4(info.address));
  return host.spec.hasService && host.interfaces.some(({ link }) => {
    if (link === deafOn) return false;
    const there = families(routerPlaces, link);
    // A link with both families is asked by IPv4.
    return there.includes(true) || there.length > 0 && router !== "no IPv6";
  });
}

/** Builds a world, runs the sender in it, pings, and judges. */
async function tryWorld(world: World, hindrances: Hindrances, stage: Stage): Promise<void> {
  const layout = layOut(world);
  const placed = layout.placed.map((one) =>
    hindrances.router === "no IPv6" && one.address.family === 6 && one.answer !== null &&
      layout.own.has(one.answer)
      ? { ...one, answer: null }
      : one
  );
  const models = world.hosts.map((spec, i) =>
    modelOf(spec, String(i), layout.hostPlaces[i], layout.placed)
  );
  try {
    const { keys, ownKey } = await build(world, layout, models, hindrances, stage);
    const heard = models.map((model) => isHeard(model, layout, hindrances));
    const expected = world.expected ??
      Math.max(1, world.acksDropped ? 0 : heard.filter(Boolean).length);
    // Where `ip` is slow, a host whose clock is off answers the repetition seconds later.
    const timing = ["-c", "3", "-i", "200ms", "-w", hindrances.slowIp ? "4s" : "2500ms"];
    const args = ["-a", "--json", ...timing, "--expect", String(expected), world.action];
    const { code, text } = await stage.send(args.filter((word) => word !== ""));
    await routeBack(models, world, stage);
    const reached = await Promise.all(models.map(async ({ linkTo }, i) => {
      const addresses = placed.filter(({ index, address }) =>
        index >= 0 && linkTo(address) !== null
      )
        .map(({ address }) => formatAddress(address));
      return new Set((await stage.hosts[i].tell({ kind: "ping", addresses })).reached);
    }));
    const document: Document = JSON.parse(text);
    const common = { world, placed, own: layout.own, models, keys, ownKey, heard, expected, code };
    try {
      judge({ ...common, document, reached, noIPv6: hindrances.router === "no IPv6" });
    } catch (error) {
      if (error instanceof Error) error.message += `\n${text}`;
      throw error;
    }
  } finally {
    await clear(world, layout, stage);
  }
}

function tryWorlds(slot: number, runs: number): Promise<void> {
  return inFolder(async (folder) => {
    await using stage = await openStage(folder);
    if (path !== undefined) {
      // A property with a path goes on, without an end, with all that its world shrinks to.
      const [{ world, hindrances }] = fc.sample(namespaceWorlds, { seed, path, numRuns: 1 });
      return await tryWorld(world, hindrances, stage);
    }
    const property = fc.asyncProperty(
      namespaceWorlds,
      ({ world, hindrances }) => tryWorld(world, hindrances, stage),
    );
    await fc.assert(property, {
      seed: seed + slot,
      numRuns: runs,
      interruptAfterTimeLimit: runs * maxMsAWorld + 60_000,
      markInterruptAsFailure: true,
    });
  });
}

Deno.test({
  name: `in ${numRuns} worlds of namespaces the report agrees with a ping (seed ${seed})`,
  ignore: !await isInstalled("nft", "ping"),
  fn: async () => {
    const runs = Math.ceil(numRuns / stages);
    const slots = Array.from({ length: stages }, (_, slot) => tryWorlds(slot, runs));
    const failed = (await Promise.allSettled(slots)).find(({ status }) => status === "rejected");
    if (failed?.status !== "rejected") return;
    // What the stage complained of behind it hides the world otherwise.
    const { reason } = failed;
    throw reason instanceof SuppressedError ? reason.suppressed : reason;
  },
});
