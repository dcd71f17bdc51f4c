/**
 * The links of this router with the addresses that hosts there are asked about, and the difference of
 * two looks at them. Pure. A look is of the same eyes as a run's plan: what is a change here is a
 * change of what the next run asks.
 */
import type { SendOptions } from "../sender/arguments.ts";
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
