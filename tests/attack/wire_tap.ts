/**
 * The attacker's sockets. Every byte to and from the service is on the account of its source
 * address and port, so that nobody can be sent more than they sent without being noticed.
 */

/** What one source sent to the service and got from it, in bytes and datagrams. */
export interface Account {
  readonly source: string;
  sent: number;
  sentBytes: number;
  received: number;
  receivedBytes: number;
  /** The most that was ever received beyond what had been sent; 0 is what must be. */
  worstExcess: number;
}

/** One source of datagrams. */
export interface Source extends Disposable {
  readonly account: Account;
  send(bytes: Uint8Array): Promise<void>;
}

/** All accounts of one attack. */
export interface WireTap {
  readonly accounts: readonly Account[];
  /** A source at an own address, on a port that the system chooses. `receive` gets its own copy. */
  open(address: string, port: number, receive?: (bytes: Uint8Array) => void): Source;
}

/** The answers are to this address, as the service is. */
const serviceAddress = "127.0.0.1";

/** No accounts yet. */
export function createWireTap(): WireTap {
  const accounts: Account[] = [];
  return {
    accounts,
    open(address, port, receive = () => {}) {
      const socket = Deno.listenDatagram({ transport: "udp", hostname: address, port: 0 });
      const to = { transport: "udp", hostname: serviceAddress, port } as const;
      const source = socket.addr.transport === "udp" ? `${address} port ${socket.addr.port}` : "";
      const account: Account = {
        source,
        sent: 0,
        sentBytes: 0,
        received: 0,
        receivedBytes: 0,
        worstExcess: 0,
      };
      accounts.push(account);
      let open = true;
      (async () => {
        while (open) {
          try {
            const [bytes] = await socket.receive(new Uint8Array(2_048));
            account.received++;
            account.receivedBytes += bytes.length;
            const excess = account.receivedBytes - account.sentBytes;
            account.worstExcess = Math.max(account.worstExcess, excess);
            receive(bytes);
          } catch {
            // A refused datagram while the service restarts, or the end.
          }
        }
      })();
      return {
        account,
        async send(bytes) {
          account.sent++;
          account.sentBytes += bytes.length;
          await socket.send(bytes, to);
        },
        [Symbol.dispose]() {
          open = false;
          socket.close();
        },
      };
    },
  };
}
