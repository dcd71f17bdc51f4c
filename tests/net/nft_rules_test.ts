/** packaging/arpflush.nft leaves alone what isn't the service's. */
import assert from "node:assert/strict";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { maxAddresses } from "../../lib/wire/datagram.ts";
import { encodeRequest } from "../../lib/wire/request.ts";
import { outcomeOf, run } from "../support/command.ts";
import { createRequest, createRouter } from "../support/datagrams.ts";

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
        const like = encodeRequest(createRequest(), createRouter(1).key);
        assert.equal(await arrives(hostname, 27_735, like), true, "what may be a request");
        like[4] = 3;
        assert.equal(await arrives(hostname, 27_735, like), true, "a request of another version");
        assert.equal(await arrives(hostname, 27_735, new Uint8Array(like.length)), false, "junk");

        const short = like.subarray(0, like.length - 1);
        assert.equal(await arrives(hostname, 27_735, short), false, "too short");
        const addresses = Array(maxAddresses).fill(parsePrefix("192.0.2.1"));
        const fields = createRequest({ action: "flush listed", addresses });
        const largest = encodeRequest(fields, createRouter(1).key);
        assert.equal(await arrives(hostname, 27_735, largest), true, "the largest");
        const long = new Uint8Array([...largest, 0]);
        assert.equal(await arrives(hostname, 27_735, long), false, "too long");
      }
    } finally {
      await run(["nft", "delete table inet arpflush"]);
    }
  },
);
