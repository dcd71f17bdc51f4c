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
import { until } from "../support/command.ts";
import { createRouter, readAck, signRequest, type TestRouter } from "../support/datagrams.ts";
import type { Bytes } from "./datagrams.ts";
import { type JudgedHost, type JudgedKey, judgedKey } from "./judge.ts";
import { count, Findings, type PartOutcome, total } from "./outcome.ts";

/** Two routers, the key of one in a file, and a port. */
export interface Site extends AsyncDisposable {
  readonly router: TestRouter;
  readonly otherRouter: TestRouter;
  /** The router's key, and the other's. */
  readonly judged: readonly [JudgedKey, JudgedKey];
  readonly folder: string;
  readonly keyPath: string;
  readonly port: number;
}

/** Makes a folder with the key. */
export async function openSite(): Promise<Site> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-attack-" });
  const [router, otherRouter] = [createRouter(1), createRouter(2)];
  const keyPath = `${folder}/key`;
  await Deno.writeTextFile(keyPath, `${router.secretText}\n`, { mode: 0o600 });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return {
    ...{ router, otherRouter, folder, keyPath, port },
    judged: [judgedKey(router.key.publicKey), judgedKey(otherRouter.key.publicKey)],
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

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

/** One part of the attack on the service. Disposing of it stops the service. */
export class Stage implements AsyncDisposable {
  readonly findings = new Findings();
  readonly password = `Secret ${crypto.getRandomValues(new Uint8Array(4)).toHex()}!`;
  /** Lines of the log by the names of their events. */
  readonly events: Record<string, number> = {};
  /** How far the service's clocks are ahead: both, and the wall clock alone. */
  readonly moved = { bothMs: 0, wallMs: 0 };
  /** The id of the last genuine request that was accepted. */
  latestId: Uint8Array = new Uint8Array(16);
  /** Genuine requests that the service must have accepted since its start. */
  accepted = 0;
  /** What the judge knows of this host. */
  readonly judgedHost: JudgedHost;
  /** Challenges that this start of the host has told, behind the router's key id. */
  readonly #challenges = new Set<string>();
  readonly #sources: Source[] = [];
  #service: RunningService | null = null;
  /** Datagrams to the service, and acks from it, before its last start. */
  #before = { sent: 0, received: 0 };
  #heard: (answer: Uint8Array) => void = () => {};
  readonly #genuine: Source;

  private constructor(readonly site: Site) {
    this.#genuine = this.open("127.0.0.1", (answer) => this.#heard(answer));
    this.judgedHost = {
      keys: site.judged,
      isChallenge: (challenge, { id }) =>
        this.#challenges.has(`${id.toHex()} ${challenge.toHex()}`),
      isKnownId: (id) => id.toHex() === this.latestId.toHex(),
    };
  }

  /** Starts the service. */
  static async start(): Promise<Stage> {
    const stage = new Stage(await openSite());
    await stage.restart();
    return stage;
  }

  /** Starts the service anew: its replay windows and its counters are empty. */
  async restart(): Promise<void> {
    await this.#service?.stop();
    this.#before = { sent: this.#sum("sent"), received: this.#sum("received") };
    this.accepted = 0;
    this.#challenges.clear();
    const { router, otherRouter } = this.site;
    const settings = {
      ...defaultSettings(),
      Port: this.site.port,
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
    const to = { transport: "udp", hostname: "127.0.0.1", port: this.site.port } as const;
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
    const isSettled = () =>
      counted.accepted + counted.repeated + total(stale) + total(refused) ===
        this.#sum("sent") - this.#before.sent &&
      counted.acksSent === this.#sum("received") - this.#before.received;
    const end = performance.now() + timeoutMs;
    while (!isSettled()) {
      if (performance.now() > end) throw new Error("The service has lost a datagram or an ack");
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
  async challengeFor(router: TestRouter): Promise<Uint8Array> {
    const { ack: { challenge } } = await this.#exchange({ created: 0 }, router);
    if (challenge === null) throw new Error("A request of 1970 was not stale");
    return challenge;
  }

  async #exchange(changes: Partial<FlushRequest>, router = this.site.router) {
    const bytes = signRequest(router, changes);
    const idOf = (bytes: Uint8Array) => bytes.subarray(offsets.id, offsets.id + idLength).toHex();
    let ack: FlushAck | null = null;
    this.#heard = (answer) => {
      if (ack !== null || idOf(answer) !== idOf(bytes)) return;
      const { status } = ack = readAck(answer, bytes, router);
      // Of a flush that is held down the end is waited for.
      if (status === "pending") ack = null;
    };
    // In copies, as the host may be busy.
    const copy = () => void this.#genuine.send(bytes);
    const copies = setInterval(copy, 1_000);
    try {
      copy();
      await until(() => ack !== null, "a genuine request is acknowledged", timeoutMs);
    } finally {
      clearInterval(copies);
    }
    await this.settle();
    const heard = ack as unknown as FlushAck;
    if (heard.challenge !== null) {
      this.#challenges.add(`${router.key.idText} ${heard.challenge.toHex()}`);
    } else {
      this.accepted++;
      this.latestId = bytes.slice(20, 36);
    }
    return { bytes, ack: heard };
  }

  /** All datagrams so far, to the service and from it. */
  get datagrams(): number {
    return this.#sum("sent") + this.#sum("received");
  }

  /** The outcome, after the last check: nobody may ever have got more than two acks for a datagram. */
  outcome(part: string, sent: number, figures: PartOutcome["figures"]): PartOutcome {
    for (const { name, maxExcess } of this.#sources) {
      this.findings.expect(`Bytes sent to ${name} beyond twice what it had sent`, maxExcess, 0);
    }
    return {
      ...{ part, sent, faults: this.findings.faults },
      datagrams: this.datagrams,
      figures: {
        ...figures,
        bytesToService: this.#sum("sentBytes"),
        bytesFromService: this.#sum("receivedBytes"),
      },
    };
  }

  async [Symbol.asyncDispose]() {
    await this.#service?.stop();
    this.#sources.forEach(({ close }) => close());
    await this.site[Symbol.asyncDispose]();
  }
}
