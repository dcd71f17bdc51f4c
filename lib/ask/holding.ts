/**
 * Which addresses this machine holds right now, and where. Nobody is asked for an address that isn't
 * this router's at that moment: such a request would make the very entries that it is to heal. That an
 * address can be bound proves nothing: with `ip_nonlocal_bind` any can.
 */
import type { Time } from "../time.ts";
import {
  type AddressPrefix,
  isLinkLocal,
  type OwnAddress,
  type OwnInterface,
  prefixContains,
} from "../wire/addresses.ts";
import { addressKey } from "./frames.ts";
import type { Question } from "./inquiry.ts";

/** How old a look at this machine's addresses may be when something is sent from one. */
const maxAgeMs = 10;

/** An address that packets on a link come from. */
type Source = Pick<Question, "link" | "address">;

/** Tells whether an address is still where it was when the asking began. */
export interface Holding {
  isHeld(source: Source): boolean;
}

/** Looks where addresses are, and looks again when it is asked later. */
export function createHolding(
  sources: readonly Source[],
  interfaces: () => readonly OwnInterface[],
  time: Time,
): Holding {
  const sourceKey = ({ link, address }: Source) => `${link} ${addressKey(address)}`;
  // On the link itself, else where addresses of several links are: on lo or a dummy.
  const places = new Map<string, string>();
  const first = interfaces();
  for (const source of sources) {
    const key = addressKey(source.address);
    const holders = first.filter(({ addresses }) =>
      addresses.some(({ address }) => addressKey(address) === key)
    );
    const holder = holders.find(({ name }) => name === source.link) ?? holders[0];
    if (holder !== undefined) places.set(sourceKey(source), `${holder.name} ${key}`);
  }
  let held: ReadonlySet<string> = new Set();
  let lookedAt = -Infinity;
  return {
    isHeld(source) {
      const now = time.monotonic();
      if (now - lookedAt > maxAgeMs) {
        held = new Set(
          interfaces().flatMap(({ name, addresses }) =>
            addresses.map(({ address }) => `${name} ${addressKey(address)}`)
          ),
        );
        lookedAt = now;
      }
      return held.has(places.get(sourceKey(source)) ?? "");
    },
  };
}

/** The addresses of a link that are not in question, from which a control may come. */
export function controlAddresses(
  link: string,
  questioned: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
): OwnAddress[] {
  const keys = new Set(questioned.map(addressKey));
  return interfaces.filter(({ name }) => name === link).flatMap(({ addresses }) => addresses)
    .filter(({ address }) => !keys.has(addressKey(address)));
}

/**
 * The one of them that a host answers on the link itself. If there is none: another one in question,
 * unless nobody is to be asked for that. Null if there is none either.
 */
export function controlFor(
  question: Pick<Question, "host" | "link" | "address">,
  questioned: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
  probeOnly: boolean,
): AddressPrefix | null {
  const control = nearestOf(question, controlAddresses(question.link, questioned, interfaces));
  if (control !== null || probeOnly) return control;
  return nearestOf(question, controlAddresses(question.link, [question.address], interfaces));
}

function nearestOf(
  { host }: Pick<Question, "host">,
  controls: readonly OwnAddress[],
): AddressPrefix | null {
  const near = controls.find(({ address, network }) =>
    address.family === host.family && prefixContains(network, host)
  );
  // IPv6 hosts answer link-local addresses whatever theirs is.
  const linkLocal = controls.find(({ address }) => isLinkLocal(address));
  return near?.address ?? (host.family === 6 ? linkLocal?.address ?? null : null);
}
