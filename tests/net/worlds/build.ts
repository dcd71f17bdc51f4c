/** From a random world to links, addresses, entries and rules on a stage, and back to a bare stage. */
import type { InterfaceInfo } from "../../../lib/wire/addresses.ts";
import { formatAddress } from "../../../lib/wire/addresses.ts";
import type { HostModel, layOut, PlacedAddress, World } from "../../unit/sender/worlds.ts";
import type { Stage } from "./stage.ts";

export const firewalls = ["none", "a rule for acks", "no IPv6"] as const;

/** What firewalls and busy hosts do besides what a world says. */
export interface Hindrances {
  /** The router's. */
  readonly router: typeof firewalls[number];
  /** A link on which the hosts' drop all requests. */
  readonly deafOn: number | null;
  /** On hosts without a fault. */
  readonly slowIp: boolean;
}

type Layout = ReturnType<typeof layOut>;

const withColons = (mac: string) => mac.replace(/..(?=.)/g, "$&:");
const rivalMac = "02:00:00:00:0f:01";
const virtualMac = (link: number) => `00:00:5e:00:01:0${link + 1}`;
const linkMac = (link: number) => `02:00:00:00:00:0${link + 1}`;
const hostMac = (host: number) => `02:00:00:00:01:${10 + host}`;

const linksOf = ({ interfaces }: HostModel) => [...new Set(interfaces.map(({ link }) => link))];

function wiring(world: World, models: readonly HostModel[], stage: Stage): string[] {
  const links = [...world.links.keys(), world.links.length];
  const plug = (port: string, link: number, mac: string, machine: { readonly pid: number }) => [
    `link add ${port} type veth peer name e${link} address ${mac} netns ${machine.pid}`,
    `link set ${port} master br${link} up`,
  ];
  return [
    ...links.flatMap((link) => [
      `link add br${link} type bridge mcast_snooping 0`,
      `link set br${link} up`,
      ...link < world.links.length
        ? [
          ...plug(`r${link}`, link, linkMac(link), stage.router.namespace),
          ...plug(`v${link}`, link, rivalMac, stage.rival.namespace),
        ]
        : [],
    ]),
    ...models.flatMap((model, i) =>
      linksOf(model).flatMap((link) =>
        plug(`h${i}l${link}`, link, hostMac(i), stage.hosts[i].namespace)
      )
    ),
  ];
}

function routerLines(world: World, { router }: Layout): string[] {
  const has = (name: string) => router.some((one) => one.name === name);
  const address = ({ name, cidr }: InterfaceInfo) =>
    name.includes(":")
      ? `addr add ${cidr} dev ${name.split(":")[0]} label ${name}`
      : `addr add ${cidr} dev ${name}`;
  return [
    ...world.links.keys().map((link) => `link set e${link} up`),
    ...world.links.keys().filter((link) => has(`vrrp${link}`)).flatMap((link) => [
      `link add vrrp${link} link e${link} address ${virtualMac(link)} type macvlan mode private`,
      `link set vrrp${link} up`,
    ]),
    // Like a dummy, which not every kernel has.
    ...has("dummy0")
      ? ["link add dummy0 address 02:00:00:00:00:dd type bridge", "link set dummy0 up"]
      : [],
    ...router.filter((one) => one.address !== "127.0.0.1").map(address),
  ];
}

/** Rules that keep the router from answering for what a rival or nobody answers for. */
function silence(placed: readonly PlacedAddress[], world: World): string {
  const quiet = placed.filter(({ index }) =>
    index >= 0 && world.virtual[index].answeredBy !== "router"
  ).map(({ address }) => address);
  const four = quiet.filter(({ family }) => family === 4)
    .map((address) => `arp daddr ip ${formatAddress(address)} drop;`);
  // The target is behind 8 bytes of a Neighbor Solicitation (RFC 4861, section 4.3).
  const six = quiet.filter(({ family }) => family === 6).map(({ bytes }) =>
    `meta l4proto ipv6-icmp @th,0,8 135 @th,64,128 0x${bytes.toHex()} drop;`
  );
  const table = (family: string, rules: readonly string[]) =>
    rules.length === 0
      ? ""
      : `table ${family} silence { chain in { type filter hook input priority 0;\n${
        rules.join("\n")
      }\n}; }\n`;
  return table("arp", four) + table("ip6", six);
}

function firewallRules(world: World, firewall: Hindrances["router"]): string {
  const admitted = "udp sport 27735 udp dport 27736-27799 accept;";
  const stateful = (more: string) =>
    `table inet stateful { chain in { type filter hook input priority 1; policy drop;
      iif lo accept; ct state established,related accept;
      meta l4proto { icmp, ipv6-icmp } accept; ${more} }; }\n`;
  const noIPv6 = "table ip6 none { chain in { type filter hook input priority 1; drop; }; }\n";
  return (world.acksDropped ? stateful("") : firewall === "none" ? "" : stateful(admitted)) +
    (firewall === "no IPv6" ? noIPv6 : "");
}

function hostRules({ loss }: World, { deafOn }: Hindrances): string {
  const deaf = deafOn === null ? "" : `table inet deaf { chain in {
    type filter hook input priority 0; iifname e${deafOn} udp dport 27735 drop; }; }\n`;
  if (loss === 0) return deaf;
  const lose = `numgen random mod 100 < ${Math.round(loss * 100)} drop;`;
  return deaf + `table inet loss {
    chain in { type filter hook input priority 0; udp dport 27735 ${lose} }
    chain out { type filter hook output priority 0; udp sport 27735 ${lose} }
  }\n`;
}

function hostLines(model: HostModel, placed: readonly PlacedAddress[]): string[] {
  const lines = [
    ...linksOf(model).map((link) => `link set e${link} up`),
    ...model.interfaces.map(({ link, info }) => `addr add ${info.cidr} dev e${link}`),
  ];
  const entries: string[] = [];
  for (const { address, index } of placed) {
    const link = model.linkTo(address);
    if (index < 0 || link === null) continue;
    const text = formatAddress(address);
    if (model.gateways.has(text)) {
      if (text.startsWith("203.0.")) lines.push(`route add ${text} dev e${link} scope link`);
      const far = address.family === 4
        ? `198.${18 + (index >> 8)}.${index & 255}.0/24`
        : `2001:db8:f${index.toString(16)}::/48`;
      lines.push(`route add ${far} via ${text}`);
    }
    const mac = model.before.get(text);
    if (mac === undefined) continue;
    const kind = model.spec.entries[index % model.spec.entries.length];
    const state = !model.permanent.has(text)
      ? "reachable"
      : kind === "extern"
      ? "noarp extern_learn"
      : "permanent";
    entries.push(`neigh replace ${text} lladdr ${withColons(mac)} dev e${link} nud ${state}`);
  }
  return [...lines, ...entries];
}

function rivalLines(world: World, placed: readonly PlacedAddress[]): string[] {
  const rivals = placed.filter(({ index }) =>
    index >= 0 && world.virtual[index].answeredBy === "rival"
  );
  return [
    ...world.links.keys().map((link) => `link set e${link} up`),
    ...rivals.map(({ address, link }) =>
      `addr add ${formatAddress(address)}/${address.length} dev e${link}`
    ),
    // It answers ARP on a link that it has no other address on, too.
    ...rivals.length === 0
      ? []
      : world.links.keys().map((link) => `route add default dev e${link} metric ${link + 1}`),
  ];
}

/** Builds a world, with services where hosts have one; gives the keys of the services. */
export async function build(
  world: World,
  layout: Layout,
  models: readonly HostModel[],
  hindrances: Hindrances,
  stage: Stage,
): Promise<{ readonly keys: readonly (string | null)[]; readonly ownKey: string | null }> {
  const { placed } = layout;
  await stage.wires.tell({ kind: "set up", ip: wiring(world, models, stage), nft: "" });
  await Promise.all([
    stage.router.tell({
      kind: "set up",
      ip: routerLines(world, layout),
      nft: silence(placed, world) + firewallRules(world, hindrances.router),
    }),
    stage.rival.tell({ kind: "set up", ip: rivalLines(world, placed), nft: "" }),
    ...models.map((model, i) =>
      stage.hosts[i].tell({
        kind: "set up",
        ip: hostLines(model, placed),
        nft: hostRules(world, hindrances),
      })
    ),
  ]);
  const settings = [
    `RouterKeys = ["${stage.publicText}"]`,
    "HoldDownSeconds = 1",
    "FlushOnStart = false",
    'Listen = "::"',
  ].join("\n");
  const start = { kind: "start", settings } as const;
  const keys = await Promise.all(models.map(async ({ spec }, i) => {
    const { name, clockMs, hasService } = spec;
    const fault = spec.fault === "none" && hindrances.slowIp ? "slow" : spec.fault;
    if (!hasService) return null;
    const machine = stage.hosts[i];
    return (await machine.tell({ ...start, hostName: `sql0${name}`, clockMs, fault })).key ?? null;
  }));
  const own = world.ownService
    ? await stage.router.tell({ ...start, hostName: "r1", clockMs: 0, fault: "none" })
    : null;
  return { keys, ownKey: own?.key ?? null };
}

/**
 * Lets the router answer pings: by routes, where two links have one network, and by entries. Without one
 * it would ask for a host by a broadcast from the pinged address, from which other hosts learn that.
 */
export async function routeBack(models: readonly HostModel[], world: World, stage: Stage) {
  const lines = models.flatMap(({ interfaces }, i) =>
    interfaces.filter(({ link, info }) => link < world.links.length && info.address.includes("."))
      .flatMap(({ link, info: { address } }) => [
        `route replace ${address}/32 dev e${link}`,
        `neigh replace ${address} lladdr ${hostMac(i)} dev e${link} nud permanent`,
      ])
  );
  await stage.router.tell({ kind: "set up", ip: lines, nft: "" });
}

/** Takes everything of a world off the stage. */
export async function clear(world: World, layout: Layout, stage: Stage): Promise<void> {
  await Promise.all(
    [stage.router, ...stage.hosts].map((machine) => machine.tell({ kind: "stop" })),
  );
  const links = [...world.links.keys(), world.links.length];
  const ports = layout.hostPlaces.flatMap((
    places,
    i,
  ) => [...new Set(places.map(({ link }) => `h${i}l${link}`))]);
  const nft = "flush ruleset";
  await stage.wires.tell({
    kind: "set up",
    ip: [
      ...ports,
      ...world.links.keys().flatMap((link) => [`r${link}`, `v${link}`]),
      ...links.map((link) => `br${link}`),
    ].map((name) => `link del ${name}`),
    nft: "",
  });
  const hasDummy = layout.router.some(({ name }) => name === "dummy0");
  await Promise.all([
    stage.router.tell({
      kind: "set up",
      ip: ["addr flush dev lo scope global", ...hasDummy ? ["link del dummy0"] : []],
      nft,
    }),
    ...stage.hosts.map((machine) => machine.tell({ kind: "set up", ip: [], nft })),
  ]);
}
