/**
 * The links of this router: the addresses that hosts there are asked about, the difference of two looks
 * at them, and on which links hosts have answered. Pure. A look is of the same eyes as a run's plan:
 * what is a change here is a change of what the next run asks.
 */
import type { SendOptions } from "../sender/arguments.ts";
import type { Outcome } from "../sender/outcome.ts";
import { chooseTargets } from "../sender/targets.ts";
import { formatAddress, type OwnInterface } from "../wire/addresses.ts";

/** A link, or the hosts that the command line names, wherever they are. */
export interface Link {
  /** Its first interface's name; empty for named hosts. */
  readonly name: string;
  /** The interfaces that a run is narrowed to; none for named hosts. */
  readonly interfaceNames: readonly string[];
  /** The addresses in question there, as text. */
  readonly addresses: ReadonlySet<string>;
}

/** Links by their names. */
export type Links = ReadonlyMap<string, Link>;

/** What a link has got and lost. */
interface AddressChange {
  /** As it is now, or as it was last. */
  readonly link: Link;
  readonly came: readonly string[];
  readonly went: readonly string[];
}

type LinkOptions = Pick<SendOptions, "all" | "interfaceNames" | "hosts">;

/** The links that a command line's runs go to. */
export function linksOf(options: LinkOptions, interfaces: readonly OwnInterface[]): Links {
  const { groups } = chooseTargets(options, interfaces);
  const links = groups.filter(({ isMore }) => !isMore).map(({ targets, onLink }): Link => {
    const names = targets.flatMap(({ named, interfaceNames }) => named ? [] : interfaceNames);
    const interfaceNames = [...new Set(names)];
    return {
      name: interfaceNames[0] ?? "",
      interfaceNames,
      addresses: new Set(onLink.map(formatAddress)),
    };
  });
  return new Map(links.map((link) => [link.name, link]));
}

/** A command line's options narrowed to one of its links. */
export function optionsOn({ interfaceNames }: Link, options: SendOptions): SendOptions {
  return interfaceNames.length === 0
    ? { ...options, all: false, interfaceNames: [] }
    : { ...options, all: true, interfaceNames, hosts: [] };
}

/** What has changed from one look to the next: links without a change are left out. */
export function addressChanges(before: Links, now: Links): AddressChange[] {
  const names = new Set([...before.keys(), ...now.keys()]);
  return [...names].flatMap((name) => {
    const [was, is] = [before.get(name), now.get(name)];
    const link = is ?? was;
    if (link === undefined) return [];
    const none: ReadonlySet<string> = new Set();
    const came = [...(is?.addresses ?? none).difference(was?.addresses ?? none)];
    const went = [...(was?.addresses ?? none).difference(is?.addresses ?? none)];
    return came.length + went.length === 0 ? [] : [{ link, came, went }];
  });
}

/** Hosts and names that are remembered; of further ones nothing is known. */
const maxHosts = 8_192;

type Facts = Pick<Outcome, "expectedNames" | "asked"> & {
  readonly hosts: readonly { readonly host: Outcome["hosts"][number]["host"] }[];
  readonly record: { readonly hosts: Pick<Outcome["record"]["hosts"], "linksOf"> };
};

/**
 * On which links hosts have answered, so that a run on one link expects those of that link alone: who
 * is expected isn't told by link.
 */
export class HostLinks {
  /** Names of links, by a host's key. */
  readonly #byKey = new Map<string, Set<string>>();
  /** The same by the name that a host is expected under. */
  readonly #byLabel = new Map<string, Set<string>>();

  /** Takes in who answered a run that went to these links, in their order, and who was asked by ARP. */
  note({ hosts, asked, expectedNames, record }: Facts, links: readonly string[]): void {
    for (const { host, link, name, verdict } of asked) {
      if (name !== null) add(this.#byLabel, name, link);
      if (verdict !== "no answer" && verdict !== "not asked") add(this.#byKey, host, link);
    }
    for (const { host } of hosts) {
      const label = expectedNames.get(host);
      for (const link of record.hosts.linksOf(host)) {
        add(this.#byKey, host.key, links[link]);
        if (label !== undefined) add(this.#byLabel, label, links[link]);
      }
    }
  }

  /**
   * Who is expected on a link: all but those that have answered on others alone. Nobody has to answer
   * where nobody ever has, unless that is so on all links.
   */
  expectedOn(link: string, expect: SendOptions["expect"]): SendOptions["expect"] {
    const isElsewhere = (links: ReadonlySet<string>) => !links.has(link);
    const elsewhere = (map: ReadonlyMap<string, Set<string>>) =>
      [...map].filter(([, links]) => isElsewhere(links)).map(([host]) => host);
    if (expect?.kind === "file") return { ...expect, elsewhere: new Set(elsewhere(this.#byLabel)) };
    const others = elsewhere(this.#byKey).length;
    const isIdle = others > 0 && others === this.#byKey.size;
    if (expect === null) return isIdle ? { kind: "count", count: 0 } : null;
    return { ...expect, count: Math.max(isIdle ? 0 : 1, expect.count - others) };
  }
}

function add(map: Map<string, Set<string>>, host: string, link: string | undefined) {
  if (link === undefined) return;
  const known = map.get(host);
  if (known !== undefined) known.add(link);
  else if (map.size < maxHosts) map.set(host, new Set([link]));
}
