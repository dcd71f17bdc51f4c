import assert from "node:assert/strict";
import {
  formatLinkLayerAddress,
  formatPrefix,
  isLinkLocal,
  ownInterfaces,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { interfaces, router } from "../sender/helpers.ts";

Deno.test("ownInterfaces() puts the addresses of each interface together", () => {
  const shown = router.map(({ name, hasNeighbors, linkLayerAddress, addresses }) => [
    name,
    hasNeighbors,
    linkLayerAddress && formatLinkLayerAddress(linkLayerAddress),
    addresses.map(({ address, network }) => `${formatPrefix(address)} ${formatPrefix(network)}`),
  ]);
  assert.deepEqual(shown, [
    ["lo", false, null, ["127.0.0.1 127.0.0.0/8", "::1 ::1"]],
    ["e0", true, "02:00:00:00:00:02", [
      "192.0.2.2 192.0.2.0/24",
      "192.0.2.1 192.0.2.1",
      "fe80::2 fe80::/64",
      "2001:db8::2 2001:db8::/64",
    ]],
    ["e1", true, "02:00:00:00:01:02", ["198.51.100.2 198.51.100.0/25", "fe80::12 fe80::/64"]],
    ["tun0", false, null, ["10.8.0.1 10.8.0.0/24"]],
  ]);
});

Deno.test("ownInterfaces() gives a labelled address to the interface before the colon", () => {
  const [e0, ...others] = interfaces(
    "e0 192.0.2.2/24 02:00:00:00:00:02",
    "e0:vip 192.0.2.1/32",
  );
  assert.deepEqual(others, []);
  assert.equal(e0.addresses.length, 2);
  assert.equal(e0.linkLayerAddress?.toHex(), "020000000002");
});

Deno.test("ownInterfaces() knows neighbors, but no own address, behind labels alone", () => {
  const [e0] = interfaces("e0:vip 192.0.2.1/24");
  assert.equal(e0.hasNeighbors, true);
  assert.equal(e0.linkLayerAddress, null);
});

Deno.test("ownInterfaces() knows no neighbors of a loopback with a card's address, or of a labelled tunnel", () => {
  const [lo] = interfaces("lo 127.0.0.1/8 02:00:00:00:00:02", "lo 192.0.2.9/32 02:00:00:00:00:02");
  assert.equal(lo.hasNeighbors, false);
  const [tunnel] = interfaces("tun0 10.8.0.1/24", "tun0:vip 10.8.0.2/32");
  assert.equal(tunnel.hasNeighbors, false);
});

Deno.test("isLinkLocal() is about fe80::/10 alone", () => {
  const texts = ["fe80::1", "febf::1", "fec0::1", "169.254.0.1", "2001:db8::1"];
  assert.deepEqual(texts.map((text) => isLinkLocal(parsePrefix(text))), [
    ...[true, true, false, false, false],
  ]);
});

Deno.test("ownInterfaces() reads a machine's own list", () => {
  const own = ownInterfaces(Deno.networkInterfaces());
  const listed = Deno.networkInterfaces();
  assert.ok(listed.length > 0);
  assert.equal(own.flatMap(({ addresses }) => addresses).length, listed.length);
});

Deno.test("ownInterfaces() leaves out what has no address or no usable prefix length", () => {
  const line = { name: "e0", mac: "02:00:00:00:00:02" };
  const infos = [
    { ...line, address: "192.0.2.1", cidr: "192.0.2.1/x" },
    { ...line, address: "192.0.2.2", cidr: "192.0.2.2/33" },
    { ...line, address: "no address", cidr: "no address/24" },
    { ...line, address: "192.0.2.3", cidr: "192.0.2.3/32" },
  ];
  const [{ addresses }] = ownInterfaces(infos);
  assert.deepEqual(addresses.map(({ network }) => formatPrefix(network)), ["192.0.2.3"]);
});
