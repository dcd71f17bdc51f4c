/**
 * Random worlds: a router with links and virtual addresses, hosts with whatever is in their caches, a
 * network that loses datagrams. The sender and the receivers are the real ones, on virtual time.
 */
import fc from "fast-check";
import {
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { OnLinkSources } from "../../../lib/receiver/sources.ts";
import { Receiver } from "../../../lib/receiver/receiver.ts";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import { exchange } from "../../../lib/sender/exchange.ts";
import { type Outcome, outcomeOf } from "../../../lib/sender/outcome.ts";
import { prepare } from "../../../lib/sender/preparation.ts";
import { sleep } from "../../../lib/time.ts";
import {
  type AddressPrefix,
  formatAddress,
  type InterfaceInfo,
  isLinkLocal,
  ownInterfaces,
  parseAddress,
  parseOwnAddress,
  parsePrefix,
  prefixContains,
} from "../../../lib/wire/addresses.ts";
import { idLength, offsets } from "../../../lib/wire/datagram.ts";
import { parseRequest, requestIdOf } from "../../../lib/wire/request.ts";
import { seededRandom } from "../../measure/statistics.ts";
import { createTestTime, type TestTime } from "../../support/test_time.ts";
import { createQueueSocket, testParts, testRules } from "../receiver/harness.ts";
import { instance } from "./answers.ts";
import { hostKey, virtualNetwork } from "./virtual_run.ts";

const places = ["link", "vmac", "lo", "dummy", "label"] as const;
const entries = ["missing", "right", "stale", "permanent", "extern", "permanent right"] as const;
/** Most hosts have these alone, or hardly a run would end well. */
const healable = ["missing", "right", "stale"] as const;
const few = { maxLength: 7 };
const faults = ["none", "resolve", "flush", "routes"] as const;
const actions = ["", "--only", "--probe"] as const;

const link = fc.record({
  length: fc.integer({ min: 8, max: 30 }),
  families: fc.constantFrom("4", "4", "4 and 6", "6"),
  /** On the network of the first link. */
  isTwin: fc.constantFrom(false, false, false, true),
});
const virtualAddress = fc.record({
  link: fc.nat(3),
  place: fc.constantFrom(...places),
  family: fc.constantFrom(4 as const, 6 as const),
  /** Added with the link's prefix length. */
  hasNetwork: fc.boolean(),
  /** In no network of the router. */
  isOutside: fc.constantFrom(false, false, false, true),
  answeredBy: fc.oneof(
    { weight: 30, arbitrary: fc.constant("router" as const) },
    { weight: 1, arbitrary: fc.constantFrom("rival" as const, "nobody" as const) },
  ),
});
const onFirstLink = virtualAddress.map((one) => ({ ...one, link: 0 }));
const many = { maxLength: 300, size: "max" } as const;
const host = fc.record({
  links: fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 3 }),
  name: fc.nat(2),
  clockMs: fc.constantFrom(0, 0, 5_000, -5_000, 120_000, -120_000, 1e10),
  hasService: fc.constantFrom(true, true, true, false),
  /** For the virtual addresses in turn. */
  entries: fc.oneof(
    { weight: 2, arbitrary: fc.array(fc.constantFrom(...healable), { minLength: 1, ...few }) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom(...entries), { minLength: 1, ...few }) },
  ),
  gateways: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  fault: fc.oneof(
    { weight: 9, arbitrary: fc.constant("none" as const) },
    { weight: 1, arbitrary: fc.constantFrom(...faults) },
  ),
});

export const worlds = fc.record({
  links: fc.array(link, { minLength: 1, maxLength: 4 }),
  virtual: fc.oneof(
    { weight: 28, arbitrary: fc.array(virtualAddress, { maxLength: 8 }) },
    // More than one request holds.
    { weight: 1, arbitrary: fc.array(virtualAddress, { minLength: 56, ...many }) },
    { weight: 1, arbitrary: fc.array(onFirstLink, { minLength: 56, ...many }) },
  ),
  hosts: fc.array(host, { maxLength: 6 }),
  loss: fc.constantFrom(0, 0, 0, 0.2, 0.6, 0.9),
  acksDropped: fc.constantFrom(false, false, false, false, false, true),
  ownService: fc.boolean(),
  action: fc.constantFrom(...actions),
  expected: fc.constantFrom(null, null, null, 1, 2, 3, 6),
  random: fc.nat(),
});
export type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;
type HostSpec = World["hosts"][number];

const rivalMac = "020000000f01";
const linkMac = (link: number) => `02000000000${link + 1}`;
const virtualMac = (link: number) => `00005e00010${link + 1}`;
const withColons = (mac: string) => mac.replace(/..(?=.)/g, "$&:");

/** An address with its place in the world. */
export interface PlacedAddress {
  readonly address: AddressPrefix;
  readonly link: number;
  /** Where the router has it, in hex. */
  readonly mac: string;
  /** Who answers for it, in hex; null: nobody. */
  readonly answer: string | null;
  /** Its index among the virtual addresses; -1 for a router's own. */
  readonly index: number;
}

interface Place {
  readonly link: number;
  readonly info: InterfaceInfo;
}

/** The cache of a host, with its routes and its links, and who answers there. */
export interface HostModel {
  readonly key: string;
  readonly spec: HostSpec;
  readonly interfaces: readonly Place[];
  /** Link-layer addresses in hex by address, when the run began and now. */
  readonly before: ReadonlyMap<string, string>;
  readonly now: Map<string, string>;
  readonly permanent: ReadonlySet<string>;
  /** The next hops of its routes. */
  readonly gateways: ReadonlySet<string>;
  /** The link that the route to an address takes; null without one on a link. */
  linkTo(address: AddressPrefix): number | null;
  /** Links by which an answer of it reached the sender. */
  readonly heardOn: Set<number>;
  /** Addresses that a report on them reached the sender. */
  readonly reported: Set<string>;
}

/** A world laid out: addresses given, interfaces made. */
export function layOut(world: World) {
  const networkOfLink = world.links.map(({ isTwin, families }, i) =>
    isTwin && families !== "6" && world.links[0].families !== "6" ? 0 : i
  );
  const has4 = (link: number) => world.links[link]?.families !== "6";
  const has6 = (link: number) =>
    world.links[link] === undefined || world.links[link].families !== "4";
  const lengthOf = (link: number) => world.links[networkOfLink[link] ?? link]?.length ?? 24;
  const used = new Map<number, number>();
  /** The next free IPv4 address of a link's network; null if there is none. */
  const next4 = (link: number) => {
    const network = networkOfLink[link] ?? link;
    const n = (used.get(network) ?? 0) + 1;
    if (n > 2 ** (32 - lengthOf(link)) - 2) return null;
    used.set(network, n);
    return `${10 + network}.0.${n >> 8}.${n & 255}`;
  };
  const line = (name: string, address: string, length: number, mac: string): InterfaceInfo => ({
    name,
    address,
    cidr: `${address}/${length}`,
    mac: withColons(mac),
  });
  let hosts6 = 100;
  const interfacesOn = (link: number, name: string, mac: string, n: number): InterfaceInfo[] => {
    const four = has4(link) ? next4(link) : null;
    if (has4(link) && four === null) return [];
    return [
      ...four === null ? [] : [line(name, four, lengthOf(link), mac)],
      ...has6(link)
        ? [line(name, `fe80::${n}`, 64, mac), line(name, `2001:db8:${link}::${n}`, 64, mac)]
        : [],
    ];
  };
  const router: InterfaceInfo[] = [line("lo", "127.0.0.1", 8, "000000000000")];
  const placed: PlacedAddress[] = [];
  const routerPlaces: Place[] = [];
  world.links.forEach((_, link) => {
    for (const info of interfacesOn(link, `e${link}`, linkMac(link), link + 1)) {
      router.push(info);
      routerPlaces.push({ link, info });
      const address = parsePrefix(info.address);
      const mac = linkMac(link);
      placed.push({ address, link, mac, answer: mac, index: -1 });
    }
  });
  const hostPlaces = world.hosts.map(({ links }, i) => {
    const real = [...new Set(links.map((link) => Math.min(link, world.links.length)))];
    return real.flatMap((link): Place[] =>
      interfacesOn(link, `e${link}`, `0200000001${10 + i}`, hosts6++)
        .map((info) => ({ link, info }))
    );
  });
  world.virtual.forEach((one, index) => {
    const link = one.link % world.links.length;
    const is6 = !has4(link) || one.family === 6 && has6(link);
    // Linux answers a Neighbor Solicitation only for an address of the interface that hears it.
    const place = is6 && one.place !== "vmac" ? "link" : one.place;
    const inside = is6 ? `2001:db8:${link}::1:${index}` : one.isOutside ? null : next4(link);
    const text = inside ?? `203.0.${113 + (index >> 8)}.${index & 255}`;
    const hasNetwork = inside !== null && one.hasNetwork && place !== "lo" && place !== "dummy";
    const length = hasNetwork ? is6 ? 64 : lengthOf(link) : is6 ? 128 : 32;
    const zero = "000000000000";
    const [name, mac] = {
      link: [`e${link}`, linkMac(link)],
      vmac: [`vrrp${link}`, virtualMac(link)],
      lo: ["lo", zero],
      dummy: ["dummy0", "0200000000dd"],
      label: [`e${link}:v`, zero],
    }[place];
    router.push(line(name, text, length, mac));
    const right = place === "vmac" ? virtualMac(link) : linkMac(link);
    const answer = { router: right, rival: rivalMac, nobody: null }[one.answeredBy];
    placed.push({ address: parsePrefix(text), link, mac: right, answer, index });
  });
  const own = new Set(router.map(({ mac }) => mac.replaceAll(":", "")));
  return { router, routerPlaces, placed, hostPlaces, own };
}

/** The model of a host among addresses. */
export function modelOf(
  spec: HostSpec,
  key: string,
  interfaces: readonly Place[],
  placed: readonly PlacedAddress[],
): HostModel {
  const entryOf = (index: number) => spec.entries[index % spec.entries.length];
  const isGateway = (index: number) => index >= 0 && spec.gateways[index % spec.gateways.length];
  const networks = interfaces.map(({ link, info }) => ({ link, own: parseOwnAddress(info) }));
  const byText = new Map(placed.map((one) => [formatAddress(one.address), one]));
  const linkTo = (address: AddressPrefix) => {
    const text = formatAddress(address);
    if (interfaces.some(({ info }) => info.address === text)) return null;
    const direct = networks.find(({ own }) => own !== null && prefixContains(own.network, address));
    if (direct !== undefined) return direct.link;
    // A gateway outside of all networks is on the link that a route of its own names.
    const one = byText.get(text);
    const isOnLink = one !== undefined && isGateway(one.index) &&
      interfaces.some(({ link }) => link === one.link);
    return isOnLink ? one.link : null;
  };
  const before = new Map<string, string>();
  const permanent = new Set<string>();
  const gateways = new Set<string>();
  for (const { address, index, link, mac } of placed) {
    const here = linkTo(address);
    if (index < 0 || here === null) continue;
    const entry = entryOf(index);
    const text = formatAddress(address);
    if (isGateway(index)) gateways.add(text);
    if (entry === "missing") continue;
    // Where two links have one network the router's link-layer address on this one leads to it.
    const right = here === link ? mac : linkMac(here);
    before.set(text, entry.includes("right") ? right : rivalMac);
    if (entry !== "right" && entry !== "stale") permanent.add(text);
  }
  const now = new Map(before);
  const heard = { heardOn: new Set<number>(), reported: new Set<string>() };
  return { key, spec, interfaces, before, now, permanent, gateways, linkTo, ...heard };
}

function cacheOf(
  { spec: { fault }, now, permanent, gateways, linkTo, interfaces }: HostModel,
  placed: readonly PlacedAddress[],
  time: TestTime,
): NeighborCache {
  const answers = new Map(placed.map((one) => [formatAddress(one.address), one.answer]));
  const fail = (what: string) => {
    if (fault === what) throw new NeighborCacheError(`Cannot ${what}`, 110);
  };
  const forget = (isChosen: (address: AddressPrefix) => boolean) => {
    const gone = [...now.keys()].filter((text) => !permanent.has(text))
      .map((text) => parsePrefix(text)).filter(isChosen);
    for (const address of gone) now.delete(formatAddress(address));
    return gone;
  };
  /** A link-local address is on the link that the request came from. */
  const isConcerned = (address: AddressPrefix) =>
    isLinkLocal(address)
      ? interfaces.some(({ link }) =>
        placed.some((one) =>
          one.link === link && formatAddress(one.address) === formatAddress(address)
        )
      )
      : linkTo(address) !== null;
  const find = (address: AddressPrefix): FoundNeighbor => {
    if (!isConcerned(address)) return foundWithout("not concerned");
    const text = formatAddress(address);
    const mac = now.get(text);
    if (mac === undefined) return foundWithout("no neighbor");
    const state = permanent.has(text) ? "permanent" : "neighbor";
    return { state, cached: true, linkLayerAddress: Uint8Array.fromHex(mac) };
  };
  return {
    description: "a world's",
    list: () =>
      Promise.resolve([...now].map(([text, mac]) => ({
        address: parsePrefix(text),
        interfaceName: "e0",
        linkLayerAddress: Uint8Array.fromHex(mac),
        permanent: permanent.has(text),
      }))),
    async flush(scope) {
      await sleep(time.after, 1);
      fail("flush");
      const forgotten = forget((address) =>
        scope === "all" || scope.some((prefix) => prefixContains(prefix, address))
      );
      return { removed: forgotten.length, forgotten, micros: 1_000, notes: [] };
    },
    async resolve(addresses, _source, settled = () => {}) {
      fail("resolve");
      const texts = new Set(addresses.map(formatAddress));
      forget((address) => texts.has(formatAddress(address)));
      await sleep(time.after, 10);
      const found: FoundNeighbor[] = [];
      const waiting: number[] = [];
      addresses.forEach((address, i) => {
        const text = formatAddress(address);
        const mac = answers.get(text) ?? null;
        if (mac !== null && isConcerned(address) && !permanent.has(text)) now.set(text, mac);
        found[i] = find(address);
        if (found[i].state === "no neighbor") waiting.push(i);
        else settled(i, found[i]);
      });
      if (waiting.length > 0) await sleep(time.after, 990);
      for (const i of waiting) settled(i, found[i] = find(addresses[i]));
      return found;
    },
    async look(addresses) {
      await sleep(time.after, 5);
      fail("resolve");
      return addresses.map(find);
    },
    gateways: () => Promise.resolve([...gateways].map(parsePrefix)),
    async nextHops() {
      await sleep(time.after, 1);
      fail("routes");
      return [...gateways].map(parsePrefix);
    },
  };
}

const signature = new Uint8Array(64).fill(7);
const senderPort = 27_736;
/** Where an ack says how many reports it has. */
const reportCountOffset = 7;

/** A world after a run. */
export interface EndedWorld {
  readonly outcome: Outcome;
  readonly hosts: readonly HostModel[];
  readonly placed: readonly PlacedAddress[];
  /** Link-layer addresses of the router, in hex. */
  readonly own: ReadonlySet<string>;
  readonly ownKey: string;
}

const hostKeys = Array.from({ length: 7 }, (_, i) => hostKey(i + 1));

/** Carries out a run in a world, with the key file of router 1. */
export async function runIn(world: World, keyFile: string): Promise<EndedWorld> {
  const { router, routerPlaces, placed, hostPlaces, own } = layOut(world);
  const time = createTestTime();
  const random = seededRandom(world.random);
  const models = world.hosts.map((spec, i) =>
    modelOf(spec, hostKeys[i].toHex(), hostPlaces[i], placed)
  );
  const routerSpec = { ...noHost, hasService: world.ownService };
  const itself = modelOf(routerSpec, hostKeys[6].toHex(), routerPlaces, []);
  const wires: Wire[] = [...models, itself].map((model, i) => {
    const wall = () => Math.floor(time.wall()) + model.spec.clockMs;
    return connect(
      model,
      hostKeys[i === models.length ? 6 : i],
      { ...time, wall },
      time,
      placed,
      random,
    );
  });
  time.pass(1_000);
  const line = [
    "-a",
    "-k",
    keyFile,
    world.action,
    ...world.expected === null ? [] : [`--expect=${world.expected}`],
  ];
  const command = parseArguments(line.filter((word) => word !== ""));
  if (command.kind !== "send") throw new Error(command.kind);
  const plan = await prepare(command.options, ownInterfaces(router), "r1");
  const isLost = (wire: Wire) => wire.model !== itself && random() < world.loss;
  /** The addresses of each request by its id. */
  const listed = new Map<string, readonly AddressPrefix[]>();
  let answer: (bytes: Uint8Array, from: string) => void = () => {};
  const network = virtualNetwork(time, ({ bytes, to }, reply) => {
    answer = (bytes, from) => reply(bytes, { from });
    listed.set(requestIdOf(bytes).toHex(), parseRequest(bytes)?.addresses ?? []);
    const link = linkOf(to.hostname, to.source, routerPlaces);
    for (const wire of wires) {
      const place = wire.model.interfaces.find((one) =>
        link !== null ? one.link === link : one.info.address === to.hostname.replace(/%.*/, "")
      );
      if (place === undefined || !wire.model.spec.hasService || isLost(wire)) continue;
      const family = to.hostname.includes(":") ? "fe80" : ".";
      const from = to.source ??
        routerPlaces.find((one) => one.link === place.link && one.info.address.includes(family))
          ?.info.address;
      if (from === undefined) continue;
      time.after(1, () => wire.deliver(bytes, from));
    }
  });
  for (const wire of wires) {
    wire.onAnswer = (ack, back) => {
      const [, zone] = back.split("%e");
      const there = routerPlaces.find((one) =>
        one.info.address === back.split("%")[0] &&
        (zone === undefined || one.link === Number(zone))
      );
      const by = wire.model.interfaces.find((one) =>
        one.link === there?.link &&
        (back.includes(":") ? one.info.address.startsWith("fe80") : one.info.address.includes("."))
      );
      if (
        there === undefined || by === undefined || isLost(wire) ||
        world.acksDropped && wire.model !== itself
      ) return;
      time.after(1, () => {
        if (network.isClosed()) return;
        wire.model.heardOn.add(there.link);
        const addresses = listed.get(ack.subarray(offsets.id, offsets.id + idLength).toHex()) ?? [];
        for (const one of ack[reportCountOffset] > 0 ? addresses : []) {
          wire.model.reported.add(formatAddress(one));
        }
        answer(ack, by.info.address);
      });
    };
  }
  const clock = { ...time, wall: () => Math.floor(time.wall()) };
  const sign = () => Promise.resolve(signature);
  const unsigned = plan.exchange.content;
  const content = unsigned.kind === "signed" ? { ...unsigned, sign } : unsigned;
  const verify = () => Promise.resolve(true);
  const record = await time.until(
    exchange({ ...plan.exchange, content }, network.open, clock, verify),
  );
  return { outcome: outcomeOf(plan, record), hosts: models, placed, own, ownKey: itself.key };
}

const noHost: HostSpec = {
  links: [],
  name: 9,
  clockMs: 0,
  hasService: true,
  entries: ["missing"],
  gateways: [false],
  fault: "none",
};

/** The link that a target is on; null for one host's address. */
function linkOf(hostname: string, source: string | undefined, router: readonly Place[]) {
  if (hostname.startsWith("ff02::1%e")) return Number(hostname.slice(9));
  const isBroadcast = (own: InterfaceInfo) => {
    const [target, one] = [parseAddress(hostname), parseOwnAddress(own)];
    return target !== null && one !== null && target.family === 4 &&
      prefixContains(one.network, target) && isLast(target, one.network.length);
  };
  const place = router.find(({ info }) =>
    source === undefined ? isBroadcast(info) : info.address === source
  );
  return place?.link ?? null;
}

function isLast({ bytes }: AddressPrefix, length: number): boolean {
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const mask = 2 ** (32 - length) - 1;
  return (number & mask) >>> 0 === mask;
}

interface Wire {
  readonly model: HostModel;
  onAnswer: (ack: Uint8Array, to: string) => void;
  deliver(bytes: Uint8Array, from: string): void;
}

/** Starts a receiver, the real one, whose socket is the world's network. */
function connect(
  model: HostModel,
  publicKey: Uint8Array,
  hostTime: Pick<TestTime, "wall" | "monotonic" | "after">,
  time: TestTime,
  placed: readonly PlacedAddress[],
  random: () => number,
): Wire {
  const queue = createQueueSocket((bytes, to) =>
    wire.onAnswer(bytes, (to as Deno.NetAddr).hostname)
  );
  const wire: Wire = {
    model,
    onAnswer: () => {},
    deliver: (bytes, hostname) =>
      queue.deliver(bytes, { transport: "udp", hostname, port: senderPort }),
  };
  const sources = new OnLinkSources(() => model.interfaces.map(({ info }) => info), hostTime);
  const rules = {
    ...testRules,
    isAllowed: (source: AddressPrefix) => sources.isAllowed(source),
    isSignedBy: () => true,
  };
  new Receiver(rules, {
    ...testParts,
    cache: cacheOf(model, placed, time),
    time: hostTime,
    random,
    open: () => queue.socket,
    hostName: () => `sql0${model.spec.name}`,
    signer: { publicKey, sign: () => signature },
    instance: instance(1),
    challengeSecret: publicKey,
    linkZones: () => [...new Set(model.interfaces.map(({ link }) => `e${link}`))],
  });
  return wire;
}
