import assert from "node:assert/strict";
import { questionsOf, type Sources } from "../../../lib/ask/questions.ts";
import { formatAddress } from "../../../lib/wire/addresses.ts";
import { addressesInQuestion } from "../../../lib/sender/asking.ts";
import { interfaces, prefix } from "../sender/helpers.ts";

const mac = "02:00:00:00:00:01";
const router = interfaces(
  `e0 192.0.2.2/29 ${mac}`,
  `e0 192.0.2.1/32 ${mac}`,
  `e0 fe80::2/64 ${mac}`,
  `e0 2001:db8::2/64 ${mac}`,
  `e0 2001:db8::1/128 ${mac}`,
  `e1 10.0.0.2/16 ${mac}`,
  `e1 10.0.0.1/16 ${mac}`,
  `e2 203.0.113.2/24 ${mac}`,
  `e2 203.0.113.1/32 ${mac}`,
  `e3 203.0.114.2/24 ${mac}`,
);

/** The questions as `host%link for address`, known ones with where they are. */
function asked(changes: Partial<Sources>) {
  const { questions, remarks } = questionsOf({
    interfaces: router,
    addresses: new Map([["e0", [prefix("192.0.2.1"), prefix("2001:db8::1")]]]),
    named: [],
    neighbors: [],
    everyone: true,
    sweep: "small",
    ...changes,
  });
  const texts = questions.map(({ link, host, address, linkLayerAddress, expected }) =>
    `${formatAddress(host)}%${link} for ${formatAddress(address)}` +
    `${linkLayerAddress === null ? "" : ` at ${linkLayerAddress.slice(-2)}`}${expected ? " !" : ""}`
  );
  return { texts, remarks };
}
const neighbor = (address: string, last: string, link = "e0") => ({
  link,
  address: prefix(address),
  linkLayerAddress: `0200000001${last}`,
});
const named = (address: string, link: string | null = null, name: string | null = null) => ({
  address: prefix(address),
  link,
  name,
});

Deno.test("questionsOf() asks each address of a small network but this machine's own, once", () => {
  const { texts, remarks } = asked({
    neighbors: [
      neighbor("192.0.2.5", "05"),
      neighbor("192.0.2.5", "06"),
      neighbor("2001:db8::7", "07"),
      neighbor("fe80::7", "07"),
      neighbor("fe80::8", "08"),
      neighbor("198.51.100.7", "09"),
      neighbor("192.0.2.4", "0a", "e1"),
    ],
    named: [named("192.0.2.6")],
  });
  assert.deepEqual(texts, [
    "192.0.2.6%e0 for 192.0.2.1 !",
    "192.0.2.5%e0 for 192.0.2.1 at 05",
    "2001:db8::7%e0 for 2001:db8::1 at 07",
    "fe80::8%e0 for 2001:db8::1 at 08",
    "192.0.2.3%e0 for 192.0.2.1",
    "192.0.2.4%e0 for 192.0.2.1",
  ]);
  assert.deepEqual(remarks, []);
});

Deno.test("questionsOf() asks the named alone, where they are on a link", () => {
  const { texts, remarks } = asked({
    everyone: false,
    neighbors: [neighbor("192.0.2.5", "05")],
    named: [
      named("192.0.2.5"),
      named("fe80::9", "e0"),
      named("192.0.2.7"),
      named("192.0.2.1"),
      named("203.0.115.9", null, "web9"),
    ],
  });
  assert.deepEqual(texts, ["192.0.2.5%e0 for 192.0.2.1 at 05 !", "fe80::9%e0 for 2001:db8::1 !"]);
  assert.deepEqual(remarks, ["on none of the links that are asked: web9"]);
});

Deno.test("questionsOf() asks in a large network only whom somebody knows", () => {
  const large = { addresses: new Map([["e1", [prefix("10.0.0.1")]]]) };
  const { texts, remarks } = asked({ ...large, neighbors: [neighbor("10.0.7.7", "07", "e1")] });
  assert.deepEqual(texts, ["10.0.7.7%e1 for 10.0.0.1 at 07"]);
  assert.deepEqual(remarks, [
    "10.0.0.0/16 on e1 is larger than a /24: only known and named hosts are asked",
  ]);
  const wide = interfaces(`e1 10.0.0.2/22 ${mac}`);
  const { remarks: [hint] } = asked({ ...large, interfaces: wide });
  assert.match(hint, /asked, or give --sweep$/);
  assert.equal(asked({ ...large, interfaces: wide, sweep: "large" }).texts.length, 1_021);
  assert.equal(asked({ ...large, interfaces: wide, sweep: "none" }).texts.length, 0);
});

const options = { all: true, interfaceNames: [], addresses: null };
const inQuestion = (changes: Partial<Parameters<typeof addressesInQuestion>[0]>, own = router) => {
  const { addresses, remarks } = addressesInQuestion({ ...options, ...changes }, own);
  const texts = [...addresses].map(([link, own]) => `${link} ${own.map(formatAddress).join(" ")}`);
  return { texts, remarks };
};

Deno.test("addressesInQuestion() takes those without a network, else all of a link", () => {
  assert.deepEqual(inQuestion({}).texts, [
    "e0 192.0.2.1 2001:db8::1",
    "e1 10.0.0.2 10.0.0.1",
    "e2 203.0.113.1",
  ]);
  assert.deepEqual(inQuestion({ interfaceNames: ["e1"] }).texts, ["e1 10.0.0.2 10.0.0.1"]);
});

Deno.test("addressesInQuestion() takes those of --address that this machine holds", () => {
  const addresses = ["10.0.0.1", "fe80::2", "192.0.2.0/24", "203.0.115.9"].map(prefix);
  assert.deepEqual(inQuestion({ addresses }), {
    texts: ["e0 192.0.2.1 192.0.2.2 fe80::2", "e1 10.0.0.1"],
    remarks: ["nobody is asked for 203.0.115.9: not on this router"],
  });
});

Deno.test("addressesInQuestion() says that a router's own address alone is nothing to ask for", () => {
  const { texts, remarks } = inQuestion({}, interfaces(`e0 192.0.2.2/24 ${mac}`));
  assert.deepEqual(texts, []);
  assert.match(remarks.join(), /^nobody is asked: .*, give --address$/);
  const { remarks: others } = asked({ addresses: new Map(), named: [named("192.0.2.5")] });
  assert.deepEqual(others, []);
});

Deno.test("addressesInQuestion() leaves out addresses that keep their link-layer address", () => {
  const own = [...router, ...interfaces("vrrp51 192.0.2.7/32 00:00:5e:00:01:33")];
  assert.deepEqual(inQuestion({ interfaceNames: ["e0"], addresses: [prefix("192.0.2.7")] }, own), {
    texts: [],
    remarks: ["nothing to ask for at 192.0.2.7: it keeps its link-layer address (use_vmac)"],
  });
});
