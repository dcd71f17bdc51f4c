/** packaging/arpflush.nft leaves alone what isn't the service's. */
import assert from "node:assert/strict";
import { outcomeOf, run } from "../support/command.ts";

const rules = `${import.meta.dirname}/../../packaging/arpflush.nft`;
const ignore = await outcomeOf(["nft", "--version"]).then(({ code }) => code !== 0, () => true);
if (ignore) console.log("nft is not here: its rules are not tried");

/** A datagram from one port of loopback to another arrives within a second. */
async function arrives(hostname: string, port: number, bytes: Uint8Array): Promise<boolean> {
  const receiver = Deno.listenDatagram({ transport: "udp", hostname, port });
  const sender = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const timer = setTimeout(() => receiver.close(), 1_000);
  try {
    await sender.send(bytes, { transport: "udp", hostname, port });
    await receiver.receive();
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    sender.close();
    try {
      receiver.close();
    } catch {
      // The timer was faster.
    }
  }
}

Deno.test(
  "packaging/arpflush.nft lets TCP, ICMP and the UDP of others pass, and drops what isn't a request",
  {
    ignore,
  },
  async () => {
    await run(["nft", "-f", rules]);
    try {
      for (const hostname of ["127.0.0.1", "::1"]) {
        const listener = Deno.listen({ hostname, port: 0 });
        const signal = AbortSignal.timeout(3_000);
        const connection = await Deno.connect({ hostname, port: listener.addr.port, signal });
        connection.close();
        (await listener.accept()).close();
        listener.close();
        await run(["ping", "-c", "1", "-W", "2", hostname]);
        assert.equal(await arrives(hostname, 27_736, new Uint8Array(3)), true, "others' UDP");
        const like = new Uint8Array(128);
        like.set([0x41, 0x52, 0x50, 0x46, 1, 1]);
        assert.equal(await arrives(hostname, 27_735, like), true, "what may be a request");
        like[4] = 2;
        assert.equal(await arrives(hostname, 27_735, like), true, "a request of another version");
        assert.equal(await arrives(hostname, 27_735, new Uint8Array(128)), false, "junk");
        assert.equal(await arrives(hostname, 27_735, like.subarray(0, 127)), false, "too short");
      }
    } finally {
      await run(["nft", "delete table inet arpflush"]);
    }
  },
);
