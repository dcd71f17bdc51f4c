/** Kinds of keepalived configurations, each for two routers that take turns as master. */
import { globalsText, groupText, instanceText } from "./keepalived.ts";
import type { Link } from "./network.ts";

export interface HostSettings {
  /** The last byte of its addresses; no router's, which are 2 and 3. */
  readonly number: number;
  /** The links that it is on. @default all */
  readonly links?: readonly number[];
}

export interface Kind {
  /** The networks of the links that both routers are on: e0, e1 … */
  readonly links: readonly Omit<Link, "bridge">[];
  /** The virtual addresses by the number of the link whose hosts use them. */
  readonly virtualAddresses: readonly (readonly string[])[];
  /** One that is as it should be, one that ignores gratuitous ARP, one with a permanent entry. */
  readonly hosts: readonly [HostSettings, HostSettings, HostSettings];
  /** Whether the addresses have a link-layer address that moves with them: nothing is ever stale. */
  readonly usesVmac?: boolean;
  /** What the hook runs the sender with. */
  readonly sender: string;
  /** keepalived.conf of a router with a priority; `hook` is the program and its first arguments. */
  configuration(router: RouterSettings): string;
}

interface RouterSettings {
  readonly priority: number;
  readonly hook: string;
  /** Own and the other router's address on the first link. */
  readonly own: string;
  readonly peer: string;
}

/** The lines of packaging/keepalived.conf. */
const groupHooks = (hook: string) => `notify_master "${hook}"\n    notify_backup "${hook}"`;
const lowerHook = (hook: string) => `notify_master_rx_lower_pri "${hook}"`;
const allHooks = (hook: string) => `${groupHooks(hook)}\n    ${lowerHook(hook)}`;

/** As keepalived.conf.vrrp.sync, which comes with keepalived, has them. */
const nine: readonly (readonly [device: string, address: string])[] = [
  ["e0", "192.168.200.18/25"],
  ["e1", "192.168.201.18/26"],
  ["e0", "192.168.200.19/27"],
  ["e1", "192.168.201.19/28"],
  ["e0", "192.168.200.20/27"],
  ["e0", "192.168.200.21/27"],
  ["e0", "192.168.200.22/27"],
  ["e0", "192.168.200.23/27"],
  ["e0", "192.168.200.24/27"],
];
const nineGroups = [["VI_1", "VI_2", "VI_5", "VI_6", "VI_7", "VI_8", "VI_9"], ["VI_3", "VI_4"]];
const onLink = (device: string) =>
  nine.filter(([own]) => own === device).map(([, address]) => address.split("/")[0]);
const twoLinks = [{ networks: ["192.168.200"] }, { networks: ["192.168.201"] }];

export const kinds: Readonly<Record<string, Kind>> = {
  "keepalived's sample of nine instances of mixed prefix lengths, in two groups": {
    links: twoLinks,
    virtualAddresses: [onLink("e0"), onLink("e1")],
    // In all of the networks, in some, and in the routers' own alone.
    hosts: [{ number: 28 }, { number: 60 }, { number: 200 }],
    sender: "-a --syslog",
    configuration: ({ priority, hook }) =>
      globalsText() + nineGroups.map((names, i) => groupText(`G${i + 1}`, names)).join("") +
      nine.map(([device, address], i) =>
        instanceText({
          ...{ name: `VI_${i + 1}`, device, id: 51 + i, priority, addresses: [address] },
          more: allHooks(hook),
        })
      ).join(""),
  },
  "labels and unicast peers": {
    links: [{ networks: ["192.0.2", "198.51.100"] }],
    virtualAddresses: [["192.0.2.254", "192.0.2.253", "198.51.100.254"]],
    hosts: [{ number: 21 }, { number: 22 }, { number: 23 }],
    sender: "-a --syslog --expect /etc/arpflush/hosts",
    configuration: ({ priority, hook, own, peer }) =>
      globalsText() + instanceText({
        ...{ name: "lan", id: 51, priority },
        addresses: [
          "192.0.2.254/24 label e0:gw",
          "192.0.2.253/32 label e0:dns",
          "198.51.100.254/24 label e0:old",
        ],
        more: `unicast_src_ip ${own}
    unicast_peer {
        ${peer}
    }
    ${allHooks(hook)}`,
      }),
  },
  "vmacs, addresses without a length, IPv4 and IPv6": {
    links: [{ networks: ["192.0.2"], network6: "2001:db8:0:2" }],
    virtualAddresses: [["192.0.2.254", "192.0.2.253", "2001:db8:0:2::fe"]],
    hosts: [{ number: 21 }, { number: 22 }, { number: 23 }],
    usesVmac: true,
    sender: "-a --syslog",
    configuration: ({ priority, hook }) =>
      globalsText() +
      instanceText({
        ...{ name: "four", id: 51, priority },
        addresses: ["192.0.2.254", "192.0.2.253"],
        more: `version 3\n    use_vmac\n    ${allHooks(hook)}`,
      }) +
      instanceText({
        ...{ name: "six", id: 52, priority },
        addresses: ["fe80::5:1", "2001:db8:0:2::fe"],
        more: `version 3\n    use_vmac\n    ${allHooks(hook)}`,
      }),
  },
  "addresses on other links than VRRP's": {
    links: [{ networks: ["10.255.0"] }, { networks: ["192.0.2"], network6: "2001:db8:0:2" }, {
      networks: ["198.51.100"],
    }],
    virtualAddresses: [[], ["192.0.2.254", "2001:db8:0:2::fe"], ["198.51.100.254"]],
    hosts: [{ number: 21 }, { number: 22, links: [1, 2] }, { number: 23, links: [1] }],
    sender: "-a --syslog --expect /etc/arpflush/hosts",
    configuration: ({ priority, hook }) =>
      globalsText() + instanceText({
        ...{ name: "all", id: 51, priority },
        addresses: ["192.0.2.254/24 dev e1", "198.51.100.254 dev e2"],
        more: `virtual_ipaddress_excluded {
        2001:db8:0:2::fe/64 dev e1
    }
    ${allHooks(hook)}`,
      }),
  },
  "a group of instances on three links": {
    links: [...twoLinks, { networks: ["192.168.202"] }],
    virtualAddresses: [["192.168.200.1"], ["192.168.201.1", "192.168.201.250"], ["192.168.202.1"]],
    hosts: [{ number: 21 }, { number: 22 }, { number: 23 }],
    sender: "-a --syslog",
    configuration: ({ priority, hook }) =>
      globalsText() + groupText("all", ["lan", "dmz", "wan"], groupHooks(hook)) +
      [
        { name: "lan", addresses: ["192.168.200.1/24"] },
        { name: "dmz", device: "e1", addresses: ["192.168.201.1/24", "192.168.201.250/32"] },
        { name: "wan", device: "e2", addresses: ["192.168.202.1/24"] },
      ].map((one, i) => instanceText({ ...one, id: 51 + i, priority, more: lowerHook(hook) })).join(
        "",
      ),
  },
};
