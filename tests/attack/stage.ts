/**
 * The service under attack with the sockets of attackers and of a genuine sender. It runs in this process
 * on a real socket, as its clocks have to be in the attack's hand; everything else is the service's own.
 */
import { parseSettingsText } from "../../lib/config/file.ts";
import { defaultSettings } from "../../lib/config/settings.ts";
import { type RunningService, startService } from "../../lib/service/running_service.ts";
import { systemTime } from "../../lib/time.ts";
import type { FlushAck } from "../../lib/wire/ack.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { idLength, offsets } from "../../lib/wire/datagram.ts";
import type { FlushRequest } from "../../lib/wire/request.ts";
import { emptyCache } from "../support/empty_cache.ts";
import { freePort, readAck, signRequest } from "../support/datagrams.ts";
import { type Bytes, otherRouter, router } from "./datagrams.ts";
import { count, Findings, total } from "./findings.ts";
import { type JudgedHost, judgedKey } from "./judge.ts";

/** One source address and port, and what it sent to the service and got from it. */
export interface Source {
  readonly send: (bytes: Uint8Array) => Promise<void>;
  readonly close: () => void;
  readonly name: string;
  sent: number;
  sentBytes: number;
  received: number;
  receivedBytes: number;
  /**
   * The most bytes that it had ever received beyond twice those that it had sent: must be 0. Of a
   * flush that is held down two acks tell, of others one.
   */
  maxExcess: number;
}

/** Less than a UDP socket holds by default on Linux: 212,992 bytes, counted in full pages. */
const volley = { maxDatagrams: 64, maxBytes: 140_000 } as const;
/** What the kernel counts for a datagram beside twice its bytes. */
const overhead = 1_280;
const timeoutMs = 30_000;
const idOf = (bytes: Uint8Array) => bytes.slice(offsets.id, offsets.id + idLength);

/** One part of the attack on the service. Disposing of it stops the service. */
export class Stage implements AsyncDisposable {
  readonly findings = new Findings();
  readonly password = `Secret ${crypto.getRandomValues(new Uint8Array(4)).toHex()}!`;
  /** Lines of the log by the names of their events. */
  readonly events: Record<string, number> = {};
  /** How far the service's clocks are ahead: both, and the wall clock alone. */
  readonly moved = { bothMs: 0, wallMs: 0 };
  /** The id of the last genuine request that was accepted. */
  latestId = new Uint8Array(idLength);
  /** Genuine requests that the service must have accepted since its start. */
  accepted = 0;
  /** What the judge knows of this host. */
  readonly judgedHost: JudgedHost = {
    keys: [router, otherRouter].map(({ key }) => judgedKey(key.publicKey)),
    isChallenge: (challenge, { id }) => this.#challenges.has(`${id.toHex()} ${challenge.toHex()}`),
    isKnownId: (id) => id.toHex() === this.latestId.toHex(),
  };
  /** Challenges that this start of the host has told, behind the router's key id. */
  readonly #challenges = new Set<string>();
  readonly #port = freePort();
  readonly #sources: Source[] = [];
  #service: RunningService | null = null;
  /** Datagrams to the service, and acks from it, before its last start. */
  #before = { sent: 0, received: 0 };
  #heard: (answer: Uint8Array) => void = () => {};
  readonly #genuine = this.open("127.0.0.1", (answer) => this.#heard(answer));

  /** Starts the service. */
  static async start(): Promise<Stage> {
    const stage = new Stage();
    await stage.restart();
    return stage;
  }

  /** Starts the service anew: its replay windows and its counters are empty. */
  async restart(): Promise<void> {
    await this.#service?.stop();
    this.#before = { sent: this.#sum("sent"), received: this.#sum("received") };
    this.accepted = 0;
    this.#challenges.clear();
    const settings = {
      ...defaultSettings(),
      Port: this.#port,
      Listen: [parsePrefix("127.0.0.1")],
      RouterKeys: [router.publicText, otherRouter.publicText],
      Password: this.password,
      // Short, so that a genuine request needn't wait long for its flush.
      HoldDownSeconds: 0.05,
      AllowedSources: [parsePrefix("203.0.113.0/24")],
    };
    const { origins } = parseSettingsText("", "arpflush.toml");
    this.#service = await startService({
      load: () => ({ settings, origins }),
      configureLog: () => (event) => count(this.events, event),
      openCache: () => Promise.resolve(emptyCache),
      // The attacker's address is this machine's own as well, and the host itself is always let in.
      readAddresses: () => [],
      time: {
        ...systemTime,
        monotonic: () => systemTime.monotonic() + this.moved.bothMs,
        wall: this.wall,
      },
    });
  }

  /** The service's wall clock. */
  readonly wall = () => systemTime.wall() + this.moved.bothMs + this.moved.wallMs;

  get counters() {
    if (this.#service === null) throw new Error("The service has not been started");
    return this.#service.counters;
  }

  /** Opens a source at an own address, on a port that the system chooses. */
  open(address: string, receive: (bytes: Uint8Array) => void = () => {}): Source {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: address, port: 0 });
    const to = { transport: "udp", hostname: "127.0.0.1", port: this.#port } as const;
    const source: Source = {
      name: `${address} port ${(socket.addr as Deno.NetAddr).port}`,
      ...{ sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, maxExcess: 0 },
      async send(bytes) {
        source.sent++;
        source.sentBytes += bytes.length;
        await socket.send(bytes, to);
      },
      close: () => socket.close(),
    };
    this.#sources.push(source);
    (async () => {
      for await (const [bytes] of socket) {
        source.received++;
        source.receivedBytes += bytes.length;
        const excess = source.receivedBytes - 2 * source.sentBytes;
        source.maxExcess = Math.max(source.maxExcess, excess);
        receive(bytes);
      }
    })();
    return source;
  }

  #sum(what: "sent" | "received" | "sentBytes" | "receivedBytes"): number {
    return this.#sources.reduce((sum, source) => sum + source[what], 0);
  }

  /** Waits until the service has judged everything that was sent, and its acks are here. */
  async settle(): Promise<void> {
    const { counted, refused, stale } = this.counters;
    const end = performance.now() + timeoutMs;
    for (;;) {
      const judged = counted.accepted + counted.repeated + total(stale) + total(refused);
      const sent = this.#sum("sent") - this.#before.sent;
      const heard = this.#sum("received") - this.#before.received;
      if (judged === sent && heard === counted.acksSent) return;
      if (performance.now() > end) {
        const acks = `${heard} of its ${counted.acksSent} acks came`;
        throw new Error(`The service judged ${judged} of ${sent} datagrams, ${acks}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /**
   * Sends datagrams as fast as the service takes them, and never more than the kernel can hold; when it
   * resolves the service has judged each of them. Gives their number.
   */
  async flood(
    datagrams: Iterable<{ readonly bytes: Uint8Array; readonly source: Source }>,
  ): Promise<number> {
    let [flying, cost, sent] = [0, 0, 0];
    for (const { bytes, source } of datagrams) {
      const more = overhead + 2 * bytes.length;
      if (flying >= volley.maxDatagrams || cost + more > volley.maxBytes) {
        await this.settle();
        [flying, cost] = [0, 0];
      }
      flying++;
      cost += more;
      sent++;
      await source.send(bytes);
    }
    await this.settle();
    return sent;
  }

  /**
   * Sends a genuine request to flush all; gives its bytes and the status of its ack. As the real
   * sender does it answers a stale ack by a request with the challenge, unless it was to be stale.
   */
  async ask(changes: Partial<FlushRequest> = {}): Promise<{ bytes: Bytes; status: string }> {
    const { bytes, ack } = await this.#exchange({ created: this.wall() + 1, ...changes });
    const { status, challenge } = ack;
    if (challenge !== null && changes.created === undefined) return await this.ask({ challenge });
    return { bytes, status };
  }

  /** The challenge that the host tells a router now. */
  async challengeFor(by: typeof router): Promise<Uint8Array> {
    const { ack: { challenge } } = await this.#exchange({ created: 0 }, by);
    if (challenge === null) throw new Error("A request of 1970 was not stale");
    return challenge;
  }

  async #exchange(changes: Partial<FlushRequest>, by = router) {
    const bytes = signRequest(by, changes);
    const id = idOf(bytes);
    const { promise, resolve, reject } = Promise.withResolvers<FlushAck>();
    this.#heard = (answer) => {
      if (idOf(answer).toHex() !== id.toHex()) return;
      const ack = readAck(answer, bytes, by);
      // Of a flush that is held down the end is waited for.
      if (ack.status !== "pending") resolve(ack);
    };
    const limit = setTimeout(() => reject(new Error("No ack to a genuine request")), timeoutMs);
    // Once: a copy of one that can't be remembered would be stale.
    await this.#genuine.send(bytes);
    const ack = await promise.finally(() => clearTimeout(limit));
    await this.settle();
    // A next request has to be of a later millisecond, or a full window calls it stale.
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (ack.challenge !== null) {
      this.#challenges.add(`${by.key.idText} ${ack.challenge.toHex()}`);
    } else {
      this.accepted++;
      this.latestId = id;
    }
    return { bytes, ack };
  }

  /** The findings, after the last check: nobody may ever have got more than two acks for a datagram. */
  finish(figures: Readonly<Record<string, number>>): Findings {
    const { findings } = this;
    for (const { name, maxExcess } of this.#sources) {
      findings.expect(`Bytes sent to ${name} beyond twice what it had sent`, maxExcess, 0);
    }
    Object.assign(findings.figures, figures, {
      bytesToService: this.#sum("sentBytes"),
      bytesFromService: this.#sum("receivedBytes"),
    });
    findings.datagrams = this.datagrams;
    return findings;
  }

  /** All datagrams so far, to the service and from it. */
  get datagrams(): number {
    return this.#sum("sent") + this.#sum("received");
  }

  async [Symbol.asyncDispose]() {
    await this.#service?.stop();
    this.#sources.forEach(({ close }) => close());
  }
}
