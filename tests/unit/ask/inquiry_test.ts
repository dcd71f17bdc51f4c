import assert from "node:assert/strict";
import { addressKey, type Heard } from "../../../lib/ask/frames.ts";
import { Inquiry, remarksOn } from "../../../lib/ask/inquiry.ts";
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

/** What happens to an inquiry, in this order; `c` marks frames to the router's own address. */
type Event = Heard | readonly ["c", Heard] | "asked" | "concluded" | "abandoned";

/** An inquiry to which this has happened, at the times 1, 2 and so on. */
function inquiryAfter(events: readonly Event[], changes: Partial<Question> = {}): Inquiry {
  const inquiry = new Inquiry(question(host, changes), ownMac);
  for (const [i, event] of events.entries()) {
    if (event === "asked") inquiry.asks++;
    else if (event === "concluded") inquiry.conclude(i + 1);
    else if (event === "abandoned") inquiry.abandon(i + 1);
    else if ("kind" in event) inquiry.hear(event, i + 1);
    else inquiry.hearControl(event[1], true, 0);
  }
  return inquiry;
}

/** What is heard after a request, what is said then, and where the host has the address. */
const cases: readonly [string, readonly Event[], string, string?][] = [
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
    const inquiry = inquiryAfter(["asked", ...frames, "concluded"]);
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
  const { mac: at, neighbor, isSeenWrong } = inquiryAfter([], { linkLayerAddress: mac });
  assert.deepEqual([at, neighbor, isSeenWrong], [mac, null, false]);
  const inquiry = inquiryAfter([echo()], { linkLayerAddress: mac });
  const { verdict, linkLayerAddress, ms } = inquiry.resultSince(-2);
  assert.deepEqual([verdict, linkLayerAddress?.toHex(), ms], ["ok", ownMac, 3]);
  const { host: address } = question(host);
  assert.deepEqual(inquiry.neighbor, { link: "e0", address, linkLayerAddress: mac });
});

Deno.test("Inquiry has the host as its neighbor when it was heard", () => {
  const heard = (...frames: readonly Event[]) => {
    const { neighbor, mac, isAnswered, isSeenWrong } = inquiryAfter(frames);
    return [neighbor && String(neighbor.linkLayerAddress), mac, isAnswered, isSeenWrong];
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

const there = { linkLayerAddress: mac };
const wrong = echo({ destinationMac: oldMac });
const other = arp({ senderMac: bondMac, sourceMac: bondMac });
const five = macsOf("a1", "a2", "a3", "a4", "a5").map((one) => arp({ senderMac: one }));
/** What is said of a host that may have been known, and when that was decided. */
const later: readonly [string, Partial<Question>, readonly Event[], string | null, number?][] = [
  ["of nothing that happened", {}, [], null],
  ["of a known host", there, [], null],
  ["when a firewalled host is seen wrong", {}, ["asked", arp(), "concluded", wrong], "stuck", 4],
  [
    "when one that was wrong asks whether its entry holds",
    {},
    [
      ...["asked", arp(), "concluded", wrong, asks(ownMac)] as const,
      echo(),
    ],
    "healed",
    5,
  ],
  ["when a silent host is seen wrong", {}, ["concluded", wrong], "stuck", 2],
  ["when another one claims its address", {}, [arp(), echo(), other], null],
  ["when another one claims the address of a known host", there, [echo(), other], "ok", 1],
  [
    "when a known host proves itself behind another's claim",
    there,
    [arp(), other, echo()],
    "ok",
    3,
  ],
  ["when another one claims what is concluded", {}, [arp(), "concluded", other], "asked", 2],
  ["when a group is named", {}, [arp(), arp({ senderMac: group })], null],
  ["when it is asked no more, but was seen wrong", {}, [wrong, "abandoned"], "stuck", 2],
  ["when it is asked no more, whatever follows", there, ["abandoned", echo()], "not asked", 1],
  ["when it is asked no more, and was right", there, [echo(), "abandoned"], "ok", 1],
];
for (const [what, changes, events, verdict, at] of later) {
  Deno.test(`Inquiry says ${verdict ?? "nothing"} ${what}`, () => {
    const inquiry = inquiryAfter(events, changes);
    assert.equal(inquiry.verdict, verdict);
    if (verdict !== null) assert.equal(inquiry.resultSince(0).ms, at);
  });
}

Deno.test("Inquiry sends proofs to all that claim to be the host, to four at most", () => {
  const destinations = (events: readonly Event[], changes: Partial<Question> = {}) =>
    inquiryAfter(events, changes).destinations;
  assert.deepEqual(destinations([]), []);
  assert.deepEqual(destinations([], there), [mac]);
  assert.deepEqual(destinations([arp(), echo(), other]), [mac, bondMac]);
  assert.deepEqual(destinations([echo(), other], there), [bondMac]);
  assert.deepEqual(destinations([arp(), arp({ senderMac: group })]), [mac]);
  assert.equal(destinations(five).length, 4);
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

Deno.test("remarksOn() names hosts that hold the address themselves, and nobody else", () => {
  const holder = inquiryAfter([]);
  holder.holdsAddress = true;
  assert.deepEqual(remarksOn([inquiryAfter([arp()]), holder]), [
    "not judged, they hold the address themselves: 192.0.2.10",
  ]);
});
