import fc from "fast-check";
import assert from "node:assert/strict";
import config from "../../../deno.json" with { type: "json" };
import { libcPaths } from "../../../lib/libc/libc.ts";
import {
  decodeNeighbors,
  ndmsg,
  netlinkConstants,
  nlmsghdr,
  rtattr,
} from "../../../lib/libc/neighbor_table.ts";
import {
  packetConstants,
  packetMreq,
  pollfd,
  sockaddrLl,
  sockFilter,
  sockFprog,
} from "../../../lib/libc/packet_socket.ts";
import { isInstalled, run } from "../../support/command.ts";

Deno.test("the router's program may open the C library where it is looked for, and nothing else", () => {
  assert.deepEqual(config.permissions.router.ffi, libcPaths);
});

const structures: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "struct sockaddr_ll": sockaddrLl,
  "struct packet_mreq": packetMreq,
  "struct sock_filter": sockFilter,
  "struct sock_fprog": sockFprog,
  "struct pollfd": pollfd,
  "struct nlmsghdr": nlmsghdr,
  "struct ndmsg": ndmsg,
  "struct rtattr": rtattr,
};

/** A C program that prints what its headers say of the same names, in the same order. */
function headerProgram(): string {
  const headers = ["poll.h", "stddef.h", "stdio.h", "sys/socket.h", "net/if_arp.h"];
  const linux = ["filter", "if_ether", "if_packet", "neighbour", "netlink", "rtnetlink"];
  const names = Object.keys({ ...packetConstants, ...netlinkConstants });
  const fields = Object.entries(structures).flatMap(([type, fields]) =>
    Object.keys(fields).map((field) =>
      field === "size" ? `sizeof(${type})` : `offsetof(${type}, ${field})`
    )
  );
  return [
    ...[...headers, ...linux.map((name) => `linux/${name}.h`)].map((name) => `#include <${name}>`),
    "int main(void) {",
    ...[...names, ...fields].map((value) => `printf("%d\\n", (int)(${value}));`),
    "return 0; }",
  ].join("\n");
}

Deno.test({
  name: "constants and layouts are those of this machine's headers",
  ignore: Deno.build.os !== "linux" || !await isInstalled("cc"),
  fn: async () => {
    const program = await Deno.makeTempFile();
    try {
      await run(["cc", "-D_GNU_SOURCE", "-x", "c", "-o", program, "-"], { input: headerProgram() });
      const printed = (await run([program])).trim().split("\n").map(Number);
      const ours = [{ ...packetConstants, ...netlinkConstants }, ...Object.values(structures)];
      assert.deepEqual(ours.flatMap((one) => Object.values(one)), printed);
    } finally {
      await Deno.remove(program);
    }
  },
});

/** A message of a dump, as the kernel sends it. */
function neighborMessage(family: number, state: number, attributes: readonly number[][]): number[] {
  const row = [family, 0, 0, 0, 7, 0, 0, 0, state, 0, 0, 0, ...attributes.flat()];
  return [16 + row.length, 0, 0, 0, 28, 0, 2, 0, ...Array(8).fill(0), ...row];
}
const destination = [8, 0, 1, 0, 192, 0, 2, 9];
const linkLayer = [10, 0, 2, 0, 2, 0, 0, 0, 0, 9, 0, 0];
const done = [20, 0, 0, 0, 3, 0, 2, 0, ...Array(12).fill(0)];

Deno.test("decodeNeighbors() takes rows that have a link-layer address", () => {
  const part = Uint8Array.from([
    ...neighborMessage(2, 0x02, [destination, linkLayer]),
    ...neighborMessage(2, 0x20, [destination, linkLayer]),
    ...neighborMessage(2, 0x01, [destination]),
    ...neighborMessage(7, 0x02, [destination, linkLayer]),
    ...done,
  ]);
  const neighbor = {
    family: 4 as const,
    interfaceIndex: 7,
    address: Uint8Array.of(192, 0, 2, 9),
    linkLayerAddress: "020000000009",
  };
  assert.deepEqual(decodeNeighbors(part), { neighbors: [neighbor], isLast: true });
  assert.equal(decodeNeighbors(part.subarray(0, -20)).isLast, false);
});

Deno.test("decodeNeighbors() never throws, whatever the bytes", () => {
  const message = neighborMessage(2, 2, [destination, linkLayer]);
  const bytes = fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { maxLength: 5 });
  fc.assert(fc.property(bytes, fc.nat(message.length), (changes, cut) => {
    const part = Uint8Array.from([...message, ...message]);
    for (const [at, byte] of changes) part[at] = byte;
    decodeNeighbors(part.subarray(0, part.length - cut));
  }));
});
