import assert from "node:assert/strict";
import { arpRequest, broadcastMac } from "../../../lib/ask/frames.ts";
import { maxKnownHosts } from "../../../lib/ask/known_hosts.ts";
import { HostListener } from "../../../lib/ask/listener.ts";
import { formatAddress } from "../../../lib/wire/addresses.ts";
import { interfaces, prefix } from "../sender/helpers.ts";

const request = (from: string, changes: { sourceMac?: string; destinationMac?: string } = {}) =>
  arpRequest({
    sourceMac: "020000000110",
    destinationMac: broadcastMac,
    from: prefix(from),
    to: prefix("10.1.0.1"),
    ...changes,
  });

/** A listener on links that a test has frames come in on. */
function openListener(own: () => ReturnType<typeof interfaces>) {
  const incoming = new Map<string, Uint8Array[]>();
  const closed: string[] = [];
  const listener = new HostListener({
    interfaces: own,
    wall: () => 7,
    openSocket: (link) => {
      if (link === "e9") throw new Error("Cannot open a packet socket on e9: network is down");
      return {
        linkLayerAddress: "020000000001",
        send: () => true,
        wait: () => Promise.resolve(),
        receive: (take) => {
          (incoming.get(link) ?? []).splice(0).forEach(take);
          return true;
        },
        close: () => Promise.resolve(void closed.push(link)),
      };
    },
  });
  return {
    listener,
    closed,
    hear: (link: string, ...frames: Uint8Array[]) => void incoming.set(link, frames),
  };
}
const mac = "02:00:00:00:00:01";

Deno.test("HostListener takes hosts of a link's network from their broadcasts", () => {
  const { listener, hear } = openListener(() =>
    interfaces(`e0 10.1.0.2/16 ${mac}`, `e9 192.0.2.2/24 ${mac}`)
  );
  hear(
    "e0",
    request("10.1.0.7"),
    request("10.1.0.8", { destinationMac: "020000000001" }),
    request("0.0.0.0"),
    request("198.51.100.7"),
    Uint8Array.of(1, 2, 3),
  );
  listener.look();
  const [host, ...others] = listener.take();
  assert.deepEqual(
    [formatAddress(host.address), host.link, host.linkLayerAddress, host.lastSeen],
    ["10.1.0.7", "e0", "020000000110", 7],
  );
  assert.deepEqual([others, listener.heard()], [[], []]);
});

Deno.test("HostListener holds so many hosts and no more, and lets go of links that are gone", () => {
  let own = interfaces(`e0 10.1.0.2/16 ${mac}`);
  const { listener, closed, hear } = openListener(() => own);
  const many = Array.from(
    { length: maxKnownHosts + 9 },
    (_, i) => `10.1.${1 + (i >> 8)}.${i & 255}`,
  );
  hear("e0", ...many.map((address) => request(address)));
  listener.look();
  assert.equal(listener.heard().length, maxKnownHosts);
  own = [];
  listener.look();
  assert.deepEqual(closed, ["e0"]);
});
