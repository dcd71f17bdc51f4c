/**
 * From the start of a process to its first datagram: the sender in its forms, beside the least that
 * Deno and Python can do. In a network namespace, so that broadcasts reach nobody else.
 */
import { run } from "../support/command.ts";
import { connect, findIsolation } from "../support/namespaces.ts";
import { compilePeers } from "./peers.ts";
import type { Section } from "./section.ts";
import { type Contender, contenders, startPort } from "./start_contenders.ts";
import { median, show, showSpread } from "./statistics.ts";

/** Goal: the sender, with a key, verification and -a, against the empty program. */
const ratioMost = 1.5;

/** Milliseconds from before a process is started to its datagram or its end. */
async function time({ line, until }: Contender, socket: Deno.DatagramConn): Promise<number> {
  const [program, ...args] = line;
  const command = new Deno.Command(program, { args, stdin: "null", stdout: "null" });
  const start = performance.now();
  const child = command.spawn();
  const datagram: Promise<unknown> = until === "datagram" ? socket.receive() : child.status;
  const ended = child.status.then(({ code }) => {
    // The sender's 3: nobody answers here.
    if (code !== 0 && code !== 3) throw new Error(`Ended with code ${code}: ${line.join(" ")}`);
  });
  await Promise.race([datagram, ended.then(() => datagram)]);
  const taken = performance.now() - start;
  await ended;
  return taken;
}

/** All times of each contender, in ms; they take turns, so that a busy machine is fair. */
async function measure(repetitions: number): Promise<{ name: string; times: number[] }[]> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-bench-" });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: startPort });
  try {
    await using peers = await compilePeers();
    const all = await contenders(folder, peers);
    const results = all.map(({ name }) => ({ name, times: [] as number[] }));
    for (let round = -1; round < repetitions; round++) {
      for (const [i, contender] of all.entries()) {
        const taken = await time(contender, socket);
        // The first round fills caches, the system's and Deno's.
        if (round >= 0) results[i].times.push(taken);
      }
    }
    return results;
  } finally {
    socket.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Measures in a namespace of its own; a section that says why not where there is none. */
export async function benchStart(repetitions: number): Promise<Section> {
  const title = "Process start to first datagram";
  const header = ["program", "ms", "fastest", "times the empty program"];
  const isolation = await findIsolation();
  if ("missing" in isolation) {
    const notes = [`Left out: this machine lacks ${isolation.missing}`];
    return { title, about: "", header, rows: [], notes };
  }
  const self = import.meta.url;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", self, String(repetitions)];
  const results: { name: string; times: number[] }[] = JSON.parse(
    await run([...isolation.argv, ...deno]),
  );
  // Round by round: a machine that is busy for a while slows all of a round alike.
  const empty = results[0].times;
  const ratio = (times: readonly number[]) => median(times.map((ms, i) => ms / empty[i]));
  const senders = results.filter(({ name }) => name.startsWith("send.ts"));
  const emptyCompiled = results.find(({ name }) => name.includes("compiled, to its end"))?.times;
  // A compiled program starts a runtime of its own, whatever is in it.
  const ratioOf = (name: string, times: readonly number[]) =>
    name.endsWith(", compiled") && emptyCompiled !== undefined
      ? median(times.map((ms, i) => ms / emptyCompiled[i]))
      : ratio(times);
  const met = senders.map(({ name, times }) => {
    const is = ratioOf(name, times);
    return `${name}: ${is.toFixed(2)}, ${is <= ratioMost ? "met" : "missed"}`;
  });
  return {
    title,
    about:
      "From before the process is started to the datagram's arrival on the same machine, with " +
      "a key, verification and a broadcast; median and middle half of " +
      `${repetitions} repetitions, all in turn.`,
    header,
    rows: results.map(({ name, times }) => [
      name,
      showSpread(times),
      show(Math.min(...times)),
      ratio(times).toFixed(2),
    ]),
    notes: [
      `Goal: at most ${ratioMost} times the empty program of its kind. ${met.join("; ")}.`,
      ...senders.some(({ name }) => name.endsWith(", compiled")) ? [] : [
        "Compiled programs are left out: the base runtime can't be had. Offline DENORT_BIN names one " +
        "of this Deno's version.",
      ],
    ],
  };
}

if (import.meta.main) {
  const end = { namespace: null, addresses: [] };
  const addresses = ["192.0.2.2/24", "192.0.2.1/32", "2001:db8::1/64"];
  await connect({ ...end, name: "e0", addresses }, { ...end, name: "e1" });
  console.log(JSON.stringify(await measure(Number(Deno.args[0]))));
}
