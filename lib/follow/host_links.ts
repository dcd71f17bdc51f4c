/**
 * On which links hosts have answered, so that a run on one link expects those of that link alone: who
 * is expected isn't told by link.
 */
import type { SendOptions } from "../sender/arguments.ts";
import type { Outcome } from "../sender/outcome.ts";

/** Hosts and names that are remembered; of further ones nothing is known. */
const maxHosts = 8_192;

type Facts = Pick<Outcome, "expectedNames" | "asked"> & {
  readonly hosts: readonly { readonly host: Outcome["hosts"][number]["host"] }[];
  readonly record: { readonly hosts: Pick<Outcome["record"]["hosts"], "linksOf"> };
};

/** What is known of hosts' links. */
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
