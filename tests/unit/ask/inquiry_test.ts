import assert from "node:assert/strict";
import { addressKey, type Heard } from "../../../lib/ask/frames.ts";
import { Inquiry } from "../../../lib/ask/inquiry.ts";
import type { Question } from "../../../lib/ask/questions.ts";
import { macOf, oldMac, ownMac, question } from "./virtual_link.ts";

const host = "192.0.2.10";
const mac = macOf(host);
const bondMac = "02000000aa10";
const group = "01005e000001";
const macsOf = (...last: readonly string[]) => last.map((one) => `0200000001${one}`);
const [from, to] = [question(host).host, question(host).address].map(addressKey);

/** Frames from the host to the address in question. */
const way = { sourceMac: mac, destinationMac: ownMac, from, to };
const arp = (changes: Partial<Heard> = {}) =>
  ({ ...way, kind: "arp reply", senderMac: mac, ...changes }) as Heard;
const echo = (changes: Partial<Heard & { ttl: number }> = {}) =>
  ({ ...way, kind: "echo reply", id: 1, sequence: 1, ttl: 64, ...changes }) as Heard;
const discovery = (
  kind: "neighbor solicitation" | "neighbor advertisement",
  to = ownMac,
): Heard => ({
  ...way,
  kind,
  destinationMac: to,
  ttl: 255,
  target: from,
});
const asks = (destinationMac: string) => arp({ kind: "arp request", destinationMac });

/** What is heard after a request; `c` marks frames to the router's own address. */
const cases: readonly [string, readonly (Heard | readonly ["c", Heard])[], string, string?][] = [
  ["nothing", [], "no answer"],
  ["an ARP reply", [arp()], "asked"],
  ["an ARP reply for somebody else", [arp({ destinationMac: oldMac })], "no answer"],
  ["a packet of the host's", [arp(), echo()], "healed"],
  ["a packet before the ARP reply", [echo(), arp()], "asked"],
  ["a packet from another", [arp(), echo({ sourceMac: bondMac })], "asked"],
  ["a bond's packet, which sent the control, too", [
    arp(),
    ["c", echo({ sourceMac: bondMac })],
    echo({ sourceMac: bondMac }),
  ], "healed"],
  ["a packet by way of another", [arp(), echo({ sourceMac: oldMac, ttl: 63 })], "stuck", oldMac],
  ["a packet that another forwarded with the host's address", [arp(), echo({ ttl: 127 })], "asked"],
  ["a packet to another's address", [arp(), echo({ destinationMac: oldMac })], "stuck", oldMac],
  ["a packet to a group", [arp(), echo({ destinationMac: group })], "asked"],
  ["the control alone", [arp(), ["c", echo()]], "stuck"],
  ["the control by way of another", [arp(), ["c", echo({ sourceMac: oldMac, ttl: 63 })]], "stuck"],
  ["an ARP reply to the control", [["c", arp()]], "no answer"],
  [
    "a packet behind an ARP reply for another",
    [arp({ destinationMac: oldMac }), echo()],
    "no answer",
  ],
  ["a control that another forwarded, and that one's packet", [
    arp(),
    ["c", echo({ sourceMac: oldMac, ttl: 63 })],
    echo({ sourceMac: oldMac }),
  ], "stuck"],
  ["the control of another router", [arp(), ["c", echo({ destinationMac: oldMac })]], "asked"],
  ["that it asks for the router's own address", [["c", asks(ownMac)]], "no answer"],
  ["a packet from a group that ARP named", [
    arp({ senderMac: group }),
    echo({ sourceMac: group }),
  ], "asked"],
  ["packets from all four of its addresses", [
    ...macsOf("a1", "a2", "a3", "a4").map((one) => arp({ senderMac: one, sourceMac: one })),
    ...macsOf("a1", "a2", "a3", "a4").map((sourceMac) => echo({ sourceMac })),
  ], "healed"],
  ["a packet from one of two that say they are the host", [
    arp(),
    arp({ senderMac: bondMac, sourceMac: bondMac }),
    echo(),
    ["c", echo()],
  ], "asked"],
  ["a packet, and then that somebody else is the host", [
    arp(),
    echo(),
    arp({ senderMac: bondMac, sourceMac: bondMac }),
  ], "asked"],
  ["a packet, and that somebody else answers the control", [
    arp(),
    echo(),
    ["c", arp({ senderMac: bondMac, sourceMac: bondMac })],
  ], "asked"],
  ["a packet of one of two whose advertisements answered the control", [
    ["c", discovery("neighbor advertisement")],
    ["c", { ...discovery("neighbor advertisement"), sourceMac: bondMac }],
    echo(),
  ], "asked"],
  ["packets of two, of which one says that it is at another of its addresses", [
    arp(),
    arp({ senderMac: bondMac }),
    arp({ senderMac: oldMac, sourceMac: oldMac }),
    echo(),
    echo({ sourceMac: oldMac }),
  ], "healed"],
  ["again and again that it is at four addresses", [
    ...macsOf("a1", "a2", "a3", "a4", "a4").map((one) => arp({ senderMac: one, sourceMac: one })),
    ...macsOf("a1", "a2", "a3", "a4").map((sourceMac) => echo({ sourceMac })),
  ], "healed"],
  ["a packet from the fifth that answered the control", [
    ...macsOf("a1", "a2", "a3", "a4", "a5").map((sourceMac) => ["c", echo({ sourceMac })] as const),
    echo({ sourceMac: "0200000001a5" }),
  ], "stuck"],
  ["a packet, and the same ARP reply again", [arp(), echo(), arp()], "healed"],
  ["an advertisement of each of two machines to the control alone", [
    ["c", discovery("neighbor advertisement")],
    ["c", { ...discovery("neighbor advertisement"), sourceMac: bondMac }],
  ], "stuck"],
  ["a packet from the fifth of its addresses", [
    ...macsOf("a1", "a2", "a3", "a4", "a5").map((one) => arp({ senderMac: one, sourceMac: one })),
    ...macsOf("a1", "a2", "a3", "a4", "a5").map((sourceMac) => echo({ sourceMac })),
  ], "asked"],
  ["wrong, then right", [echo({ destinationMac: oldMac }), arp(), echo()], "healed"],
  ["right, then wrong", [arp(), echo(), echo({ destinationMac: oldMac })], "healed"],
  ["that it asks whether the entry holds", [arp(), asks(ownMac)], "healed"],
  ["that somebody asks whether the entry holds", [asks(ownMac)], "no answer"],
  ["that it asks another whether it holds", [arp(), asks(oldMac)], "stuck", oldMac],
  ["that somebody asks another whether it holds", [asks(oldMac)], "no answer"],
  ["that it asks everybody", [asks("ffffffffffff")], "no answer"],
  ["a solicitation of the host's", [
    ["c", discovery("neighbor advertisement")],
    discovery("neighbor solicitation"),
  ], "healed"],
  ["a solicitation of somebody's", [discovery("neighbor solicitation")], "no answer"],
  ["an advertisement", [discovery("neighbor advertisement")], "healed"],
  [
    "an advertisement to another",
    [["c", discovery("neighbor advertisement")], discovery("neighbor advertisement", oldMac)],
    "stuck",
    oldMac,
  ],
  [
    "somebody's advertisement to another",
    [discovery("neighbor advertisement", oldMac)],
    "no answer",
  ],
];
for (const [what, frames, verdict, at] of cases) {
  Deno.test(`Inquiry says "${verdict}" when it hears ${what}`, () => {
    const inquiry = new Inquiry(question(host), ownMac);
    inquiry.asks = 1;
    for (const frame of frames) {
      if ("kind" in frame) inquiry.hear(frame, 5);
      else inquiry.hearControl(frame[1], true, 0);
    }
    inquiry.conclude(9);
    const { verdict: said, linkLayerAddress } = inquiry.resultSince(0);
    assert.equal(said, verdict);
    const expected = verdict === "healed" ? ownMac : at;
    assert.equal(linkLayerAddress?.toHex(), expected);
  });
}

Deno.test("Inquiry of a drill takes no advertisement for a control: the address sent no solicitation", () => {
  const inquiry = new Inquiry(question(host), ownMac);
  inquiry.hearControl(discovery("neighbor advertisement"), false, 0);
  assert.deepEqual([inquiry.mac, inquiry.isControlAnswered], [mac, false]);
  inquiry.hearControl(echo(), false, 0);
  assert.equal(inquiry.isControlAnswered, true);
});

Deno.test("Inquiry believes a packet from where the host was last, and says that it was right before", () => {
  const inquiry = new Inquiry(question(host, { linkLayerAddress: mac }), ownMac);
  assert.deepEqual([inquiry.mac, inquiry.neighbor, inquiry.isSeenWrong], [mac, null, false]);
  inquiry.hear(echo(), 5);
  const { verdict, linkLayerAddress, ms } = inquiry.resultSince(3);
  assert.deepEqual([verdict, linkLayerAddress?.toHex(), ms], ["ok", ownMac, 2]);
  const { host: address } = question(host);
  assert.deepEqual(inquiry.neighbor, { link: "e0", address, linkLayerAddress: mac });
  inquiry.abandon(9);
  assert.equal(inquiry.verdict, "ok");
});

Deno.test("Inquiry has the host as its neighbor when it was heard", () => {
  const heard = (...frames: readonly (Heard | readonly ["c", Heard])[]) => {
    const inquiry = new Inquiry(question(host), ownMac);
    for (const frame of frames) {
      if ("kind" in frame) inquiry.hear(frame, 5);
      else inquiry.hearControl(frame[1], true, 0);
    }
    const { neighbor, isAnswered, isSeenWrong } = inquiry;
    return [neighbor && String(neighbor.linkLayerAddress), inquiry.mac, isAnswered, isSeenWrong];
  };
  assert.deepEqual(heard(), [null, null, false, false]);
  assert.deepEqual(heard(arp()), [mac, mac, true, false]);
  assert.deepEqual(heard(["c", echo()]), [mac, mac, false, false]);
  assert.deepEqual(heard(["c", arp()]), [null, mac, false, false]);
  assert.deepEqual(heard(["c", asks(ownMac)]), [null, null, false, false]);
  assert.deepEqual(heard(["c", echo({ sourceMac: group })]), [null, null, false, false]);
  assert.deepEqual(heard(asks(ownMac)), [null, null, false, false]);
  assert.deepEqual(heard(discovery("neighbor advertisement")), [mac, mac, true, false]);
  assert.deepEqual(heard(discovery("neighbor advertisement", oldMac)), [null, null, false, false]);
});

Deno.test("Inquiry corrects what was said by what proves itself later", () => {
  const inquiry = new Inquiry(question(host), ownMac);
  inquiry.asks = 1;
  inquiry.hear(arp(), 1);
  inquiry.conclude(2);
  assert.equal(inquiry.verdict, "asked");
  inquiry.hear(echo({ destinationMac: oldMac }), 3);
  assert.equal(inquiry.verdict, "stuck");
  inquiry.hear(asks(ownMac), 4);
  assert.deepEqual([inquiry.verdict, inquiry.resultSince(0).ms], ["healed", 4]);
  inquiry.hear(echo(), 7);
  assert.equal(inquiry.resultSince(0).ms, 4);
});

Deno.test("Inquiry of a silent host becomes stuck by what is seen later", () => {
  const inquiry = new Inquiry(question(host), ownMac);
  inquiry.conclude(1);
  inquiry.hear(echo({ destinationMac: oldMac }), 2);
  assert.equal(inquiry.verdict, "stuck");
});

Deno.test("Inquiry takes a verdict back for somebody else's claim, but not where the host was last", () => {
  const other = arp({ senderMac: bondMac, sourceMac: bondMac });
  const after = (changes: Partial<Question>, ...frames: readonly (Heard | "conclude")[]) => {
    const inquiry = new Inquiry(question(host, changes), ownMac);
    for (const frame of frames) {
      if (frame === "conclude") inquiry.conclude(3);
      else inquiry.hear(frame, 2);
    }
    return [inquiry.verdict, ...inquiry.destinations];
  };
  assert.deepEqual(after({}), [null]);
  assert.deepEqual(after({ linkLayerAddress: mac }), [null, mac]);
  assert.deepEqual(after({}, arp(), echo(), other), [null, mac, bondMac]);
  assert.deepEqual(after({ linkLayerAddress: mac }, echo(), other), ["ok", bondMac]);
  const contested = after({ linkLayerAddress: mac }, arp(), other, echo());
  assert.deepEqual(contested, ["ok", mac, bondMac]);
  assert.deepEqual(after({}, arp(), "conclude", other), ["asked", mac, bondMac]);
  assert.deepEqual(after({}, arp(), arp({ senderMac: group })), [null, mac]);
  const five = macsOf("a1", "a2", "a3", "a4", "a5").map((one) => arp({ senderMac: one }));
  assert.equal(after({}, ...five).length, 5);
});

Deno.test("Inquiry is doubtful while the control was answered at one step alone", () => {
  const inquiry = new Inquiry(question(host), ownMac);
  const doubts = [inquiry.isDoubtful];
  for (const step of [2, 2, 3]) {
    inquiry.hearControl(echo(), true, step);
    doubts.push(inquiry.isDoubtful);
  }
  assert.deepEqual(doubts, [false, true, true, false]);
  const wrong = new Inquiry(question(host), ownMac);
  wrong.hearControl(echo(), true, 0);
  wrong.hear(echo({ destinationMac: oldMac }), 1);
  assert.equal(wrong.isDoubtful, false);
});

Deno.test("Inquiry says nothing of a host that is asked no more, but what was seen", () => {
  const seen = new Inquiry(question(host), ownMac);
  const unseen = new Inquiry(question(host, { linkLayerAddress: mac }), ownMac);
  seen.hear(echo({ destinationMac: oldMac }), 1);
  for (const inquiry of [seen, unseen]) inquiry.abandon(2);
  unseen.hear(echo(), 3);
  assert.deepEqual([seen.verdict, unseen.verdict], ["stuck", "not asked"]);
});
