/** Genuine requests of each kind: what an attacker may have recorded. */
import { type AddressPrefix, parsePrefix } from "../../lib/wire/addresses.ts";
import type { Key } from "../../lib/wire/keys.ts";
import { encodeRequest, type FlushRequest } from "../../lib/wire/request.ts";
import type { Random } from "./random.ts";

const some = ["192.0.2.1", "2001:db8::1", "198.51.100.0/24"].map(parsePrefix);

/** As many addresses as a request can hold. */
const most: readonly AddressPrefix[] = Array.from(
  { length: 61 },
  (_, i) => parsePrefix(i % 2 === 0 ? `192.0.2.${i}` : `2001:db8::${i}`),
);

type Kind = Pick<FlushRequest, "action" | "acknowledge" | "report" | "addresses">;

const kind = (
  action: Kind["action"],
  acknowledge: boolean,
  report: boolean,
  addresses: readonly AddressPrefix[] = [],
): Kind => ({ action, acknowledge, report, addresses });

/** Every action with every flag that goes with it. */
export const requestKinds: readonly Kind[] = [
  kind("probe", false, false),
  kind("probe", true, false),
  kind("probe", true, true, some),
  kind("flush all", false, false),
  kind("flush all", true, false),
  kind("flush all", true, true, some),
  kind("flush listed", false, false, some),
  kind("flush listed", true, false, some.slice(0, 1)),
  kind("flush listed", true, true, most),
];

/** The kinds whose copies are acknowledged. */
export const acknowledgedKinds = requestKinds.filter(({ acknowledge }) => acknowledge);

/** A signed request of a kind with an id of its own. */
export function genuine(
  kind: Kind,
  key: Key,
  random: Random,
  created = Date.now(),
  sender = "router",
): Uint8Array<ArrayBuffer> {
  return encodeRequest({ ...kind, created, id: random.bytes(16), ackSpreadMs: 0, sender }, key);
}
