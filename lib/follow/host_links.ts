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

  /** Who is expected on a link: all but those that have answered on others alone. */
  expectedOn(link: string, expect: SendOptions["expect"]): SendOptions["expect"] {
    if (expect === null) return null;
    const isElsewhere = (links: ReadonlySet<string>) => !links.has(link);
    const elsewhere = [...expect.kind === "count" ? this.#byKey : this.#byLabel]
      .filter(([, links]) => isElsewhere(links)).map(([host]) => host);
    return expect.kind === "count"
      ? { ...expect, count: Math.max(1, expect.count - elsewhere.length) }
      : { ...expect, elsewhere: new Set(elsewhere) };
  }
}

function add(map: Map<string, Set<string>>, host: string, link: string | undefined) {
  if (link === undefined) return;
  const known = map.get(host);
  if (known !== undefined) known.add(link);
  else if (map.size < maxHosts) map.set(host, new Set([link]));
}
