/**
 * The way to a verdict where no packet socket can be opened: connections from the address in question.
 * A host that takes or refuses one sent its answer to that address. Nothing is seen of link-layer
 * addresses: what comes by way of the old master passes for right. And the kernel asks for a host by
 * itself only if it has no entry for it.
 */
import { sleep, type Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  isLinkLocal,
  type OwnInterface,
} from "../wire/addresses.ts";
import { controlFor, createHolding, type Question } from "./questions.ts";
import type { AskReport, AskResult, AskVerdict } from "./verdicts.ts";
import { tcpPorts } from "./witnesses.ts";

/** How connections are made. */
interface ConnectOptions {
  readonly interfaces: () => readonly OwnInterface[];
  readonly time: Time;
  /** Hosts a second: each costs a broadcast of the kernel's if it isn't known. */
  readonly pace: number;
  readonly isTold: (host: AddressPrefix) => boolean;
}

/** The kernel's neighbor table holds some 1,000 (gc_thresh3), and each question takes a row. */
const maxQuestions = 512;
/** A host that doesn't answer ARP is given up by the kernel after three seconds. */
const timeoutMs = 1_500;

/** Connects to each host from each address in question; never rejects. */
export async function askByConnecting(
  questions: readonly Question[],
  { interfaces, time, pace, isTold }: ConnectOptions,
  signal: AbortSignal,
): Promise<AskReport> {
  const start = time.monotonic();
  const isHeld = createHolding(interfaces, time);
  const results: Promise<AskResult | null>[] = [];
  for (const [i, question] of questions.slice(0, maxQuestions).entries()) {
    await sleep(time.after, start + i * 1_000 / pace - time.monotonic(), signal);
    const judged = signal.aborted || !isHeld(question.link, question.address)
      ? Promise.resolve<AskVerdict>("not asked")
      : judge(question, interfaces());
    results.push(judged.then((verdict) =>
      isTold(question.host) ? null : {
        ...question,
        host: formatAddress(question.host),
        verdict,
        linkLayerAddress: null,
        ms: time.monotonic() - start,
      }
    ));
  }
  const left = questions.length - maxQuestions;
  return {
    results: (await Promise.all(results)).filter((result) => result !== null),
    remarks: left > 0 ? [`${left} questions were not asked: without packet sockets 512 are`] : [],
    hosts: [],
  };
}

async function judge(question: Question, interfaces: readonly OwnInterface[]): Promise<AskVerdict> {
  const { host, address, expected } = question;
  const control = controlFor(question, [address], interfaces);
  const answers = (from: AddressPrefix | null) =>
    from === null ? false : answersAny(host, from, question.link);
  const [isRight, isControlAnswered] = await Promise.all([answers(address), answers(control)]);
  if (isRight) return "ok";
  if (isControlAnswered) return "stuck";
  // Off, or behind a firewall: who isn't expected may not be there at all.
  return expected ? "not asked" : "no answer";
}

/** Whether a host takes or refuses a connection to one of the ports from an address. */
async function answersAny(
  host: AddressPrefix,
  from: AddressPrefix,
  link: string,
): Promise<boolean> {
  const answers = tcpPorts.map(async (port) => {
    if (!await answersOn(port, host, from, link)) throw new Error("no answer");
  });
  return await Promise.any(answers).then(() => true, () => false);
}

async function answersOn(
  port: number,
  host: AddressPrefix,
  from: AddressPrefix,
  link: string,
): Promise<boolean> {
  // In the bundle a static import would be loaded at every start of the sender.
  const { connect } = await import("node:net");
  const zone = isLinkLocal(host) ? `%${link}` : "";
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: formatAddress(host) + zone,
    port,
    localAddress: formatAddress(from),
    timeout: timeoutMs,
  });
  const end = (isAnswered: boolean) => {
    resolve(isAnswered);
    socket.destroy();
  };
  socket.once("connect", () => end(true));
  socket.once("timeout", () => end(false));
  socket.on("error", (error) => end("code" in error && error.code === "ECONNREFUSED"));
  return await promise;
}
