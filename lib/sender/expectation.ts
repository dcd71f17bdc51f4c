/**
 * Who has to answer: `--expect N|FILE`. A line of the file is one host: its names, its addresses and
 * its key, in any order, so that a line of /etc/hosts serves.
 */
import { messageOf } from "../errors.ts";
import { contentLines } from "../text.ts";
import { type AddressPrefix, formatAddress, parseAddress } from "../wire/addresses.ts";
import { keyKindOf, parseKey } from "../wire/keys.ts";

/** One host that has to answer. */
export interface ExpectedHost {
  /** As people know it: its first name, else its first address, else its key. */
  readonly label: string;
  /** For comparing: see `comparableName`. */
  readonly names: readonly string[];
  /** As `formatAddress` gives them. */
  readonly addresses: readonly string[];
  /** Public keys in hex, of which one must have signed; empty: whoever has the name or address. */
  readonly pins: readonly string[];
}

/** A host name for comparing: lower case, without the root's dot. */
function comparableName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

const maxFieldShown = 100;

function fieldFault(field: string): string | null {
  if (/^[\p{L}\p{Nd}._-]+$/u.test(field)) return null;
  return `is neither a host name, an address nor a host's key: ${
    JSON.stringify(field.slice(0, maxFieldShown))
  }`;
}

/** The host of a line's fields; null if all it names is this machine itself or a group. */
function parseFields(fields: readonly string[]): ExpectedHost | null {
  const names: string[] = [];
  const addresses: AddressPrefix[] = [];
  const pins: string[] = [];
  for (const field of fields) {
    const address = parseAddress(field);
    if (keyKindOf(field) !== null) pins.push(parseKey("host", field).toHex());
    else if (address !== null) addresses.push(address);
    else {
      const fault = fieldFault(field);
      if (fault !== null) throw new Error(`this ${fault}`);
      names.push(field);
    }
  }
  const ofHosts = addresses.filter(isOfHost);
  if (addresses.length > 0 && ofHosts.length === 0 && pins.length === 0) return null;
  const texts = ofHosts.map(formatAddress);
  return {
    label: names[0] ?? texts[0] ?? fields[0],
    names: names.map(comparableName),
    addresses: texts,
    pins,
  };
}

/** Not loopback, unspecified, multicast or broadcast, of which /etc/hosts has lines. */
function isOfHost({ family, bytes }: AddressPrefix): boolean {
  if (family === 4) return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0] < 224;
  return bytes[0] !== 0xff && bytes.slice(0, 15).some((byte) => byte !== 0);
}

/**
 * The hosts in a file: one a line, `#` starts a comment, blank lines are skipped; so are lines of
 * loopback and multicast addresses. Throws an Error that names the line:
 * `line 2 is neither a host name, an address nor a host's key: "a;b"`.
 */
export function parseExpectedHosts(text: string): ExpectedHost[] {
  if (text.includes("\0")) throw new Error("it is not UTF-8 text (UTF-16? save it as UTF-8)");
  const hosts = new Map<string, ExpectedHost>();
  for (const { number, content } of contentLines(text)) {
    try {
      const host = parseFields(content.split(/\s+/));
      if (host !== null) hosts.set(JSON.stringify([host.names, host.addresses, host.pins]), host);
    } catch (error) {
      throw new Error(messageOf(error).replace(/^this/, `line ${number}`));
    }
  }
  if (hosts.size === 0) throw new Error("it names no host");
  return mergeFamilies(hosts.values());
}

const isIpv6 = (address: string) => address.includes(":");

/**
 * Makes one host of two lines with one name and addresses of different families, as /etc/hosts has
 * them. With addresses of one family they are two hosts, for all that is known.
 */
function mergeFamilies(hosts: Iterable<ExpectedHost>): ExpectedHost[] {
  const merged: ExpectedHost[] = [];
  const byName = new Map<string, number>();
  for (const host of hosts) {
    const index = host.names.map((name) => byName.get(name)).find((known) => known !== undefined);
    const other = index === undefined ? undefined : merged[index];
    if (index !== undefined && other !== undefined && areFamiliesOfOne(other, host)) {
      const names = [...new Set([...other.names, ...host.names])];
      merged[index] = { ...other, names, addresses: [...other.addresses, ...host.addresses] };
    } else merged.push(host);
    for (const name of host.names) byName.set(name, byName.get(name) ?? merged.length - 1);
  }
  return merged;
}

function areFamiliesOfOne(one: ExpectedHost, other: ExpectedHost): boolean {
  const families = [one, other].map(({ addresses }) => new Set(addresses.map(isIpv6)));
  return one.pins.length + other.pins.length === 0 &&
    families.every(({ size }) => size === 1) && families[0].isDisjointFrom(families[1]);
}

/** What tells which expected host a host is. */
interface Identity {
  /** Its key in hex. */
  readonly key: string;
  /** The name that it gives; empty if none. */
  readonly name: string;
  readonly addresses: ReadonlySet<string>;
}

/** Which expected hosts are there. */
interface Roll<Host extends Identity> {
  /** By expected host: whoever answers for it, several instances of a pinned key too. */
  readonly present: ReadonlyMap<ExpectedHost, readonly Host[]>;
  readonly missing: readonly ExpectedHost[];
  /** Hosts under a name that is pinned to another key. */
  readonly impostors: readonly Host[];
}

/**
 * Who is expected, and which of them each host is. Where a line has a pin only the key counts. Else an
 * address of the line says more than a name, since two hosts may have one name; names are compared
 * without regard to case, and a short one matches a qualified one, whichever side is short. One host
 * answers for the lines of all addresses that it answered from, or for one line by its name; and one
 * line has one host, unless the line has pins. Made once, since a run asks often.
 */
export class ExpectedHosts {
  readonly #byPin = new Map<string, ExpectedHost>();
  readonly #byAddress = new Map<string, ExpectedHost[]>();
  readonly #byName = new Map<string, ExpectedHost[]>();
  readonly #byLabel = new Map<string, ExpectedHost[]>();
  readonly #pinnedNames = new Set<string>();

  /**
   * `count`: how many have to answer where they aren't named; null: at least one, and whoever may
   * answer is waited for to the end.
   */
  constructor(
    readonly hosts: readonly ExpectedHost[],
    readonly count: number | null = hosts.length,
  ) {
    for (const host of hosts) {
      for (const pin of host.pins) this.#byPin.set(pin, host);
      if (host.pins.length > 0) {
        for (const name of host.names) this.#pinnedNames.add(name);
        continue;
      }
      for (const address of host.addresses) add(this.#byAddress, address, host);
      for (const name of host.names) {
        add(this.#byName, name, host);
        add(this.#byLabel, name.split(".")[0], host);
      }
    }
  }

  /** Whether a line has a key, in hex. */
  isPinned(key: string): boolean {
    return this.#byPin.has(key);
  }

  /** The expected hosts that one may be, those it is likeliest first. */
  candidates({ key, name, addresses }: Identity): ExpectedHost[] {
    const pinned = this.#byPin.get(key);
    if (pinned !== undefined) return [pinned];
    const byAddress = [...addresses].flatMap((one) => this.#byAddress.get(one) ?? []);
    const own = comparableName(name);
    const [label] = own.split(".");
    const alike = (this.#byLabel.get(label) ?? []).filter(({ names }) =>
      own === label || names.includes(label)
    );
    return [...new Set([...byAddress, ...this.#byName.get(own) ?? [], ...alike])];
  }

  /** Finds out who is there. */
  call<Host extends Identity>(given: readonly Host[]): Roll<Host> {
    const present = new Map<ExpectedHost, Host[]>();
    const rest: { readonly host: Host; readonly lines: ExpectedHost[] }[] = [];
    for (const host of given) {
      const lines = this.candidates(host);
      const isPinned = this.isPinned(host.key);
      const sure = lines.filter((line) =>
        isPinned || !present.has(line) && line.addresses.some((one) => host.addresses.has(one))
      );
      for (const line of sure) present.set(line, [...present.get(line) ?? [], host]);
      if (sure.length === 0) rest.push({ host, lines });
    }
    for (const { host, lines } of rest) {
      const line = lines.find((one) => !present.has(one));
      if (line !== undefined) present.set(line, [host]);
    }
    return {
      present,
      missing: this.hosts.filter((host) => !present.has(host)),
      impostors: given.filter(({ key, name }) =>
        !this.isPinned(key) && this.#pinnedNames.has(comparableName(name))
      ),
    };
  }
}

function add(map: Map<string, ExpectedHost[]>, key: string, host: ExpectedHost) {
  const known = map.get(key);
  if (known === undefined) map.set(key, [host]);
  else known.push(host);
}
