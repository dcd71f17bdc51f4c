import { pack } from "../../../packaging/pack.ts";
import type { CommandLine } from "../../support/command.ts";
import { connect, ip } from "../../support/namespaces.ts";
import { programLine } from "../../support/programs.ts";
import { findPython, senderLine } from "../peers.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, type Row, rowOf, type Samples, type Section } from "../section.ts";

const port = 47_910;
/** Where the packed folder has the sender. */
const partsName = "arpflush-parts";
const broadcast = "192.0.2.255";

const denoProgram = `
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
const to = { transport: "udp", hostname: "${broadcast}", port: ${port} } as const;
await socket.send(new Uint8Array(128), to);
`;
const pythonProgram = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(bytes(128), ("${broadcast}", ${port}))
`;

/** A program that is timed, until its datagram arrives or, if it sends none, until it ends. */
interface Program {
  readonly name: string;
  readonly line: CommandLine;
  readonly until: "datagram" | "end";
}

/** The empty program first: all others are compared with it. */
async function programsIn(folder: string): Promise<Program[]> {
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o600 });
    return `${folder}/${name}`;
  };
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "--no-config"];
  const key = await write("key", `${sharedRouter.secretText}\n`);
  const args = ["-a", "-k", key, "-p", `${port}`, "-c", "1", "-w", "0", "-q"];
  const one = await write("one.ts", denoProgram);
  const until = "datagram";
  const packed = {
    name: "packed folder: arpflush -a",
    line: await senderLine(folder, args),
    until,
  } as const;
  return [
    {
      name: "empty Deno program",
      line: [...deno, await write("empty.ts", "export {};\n")],
      until: "end",
    },
    {
      name: "Deno program of one datagram",
      line: [...deno, "--unstable-net", "--allow-net", one],
      until,
    },
    {
      name: "Python program of one datagram",
      line: [await findPython(), await write("one.py", pythonProgram)],
      until,
    },
    {
      name: "C client that signs nothing",
      line: [`${folder}/first`, broadcast, `${port}`, key],
      until,
    },
    { name: "checkout: deno task send -a", line: programLine("sender", args), until },
    ...packed.line[0] === Deno.execPath() ? [] : [packed],
  ];
}

/** Milliseconds from before a process is started to its datagram or its end. */
async function time({ line, until }: Program, socket: Deno.DatagramConn): Promise<number> {
  const [program, ...args] = line;
  const command = new Deno.Command(program, { args, stdin: "null", stdout: "null" });
  const start = performance.now();
  const child = command.spawn();
  const awaited: Promise<unknown> = until === "datagram" ? socket.receive() : child.status;
  const ended = child.status.then(({ code }) => {
    // The sender's 3 says that no host has answered.
    if (code !== 0 && code !== 3) throw new Error(`Ended with code ${code}: ${line.join(" ")}`);
  });
  await Promise.race([awaited, ended.then(() => awaited)]);
  const taken = performance.now() - start;
  await ended;
  return taken;
}

const isPacked = ({ name }: Program) => name.startsWith("packed");

async function bundleRow(folder: string): Promise<Row> {
  const parts = `${folder}/packed/${partsName}`;
  let bytes = 0;
  for await (const { name } of Deno.readDir(parts)) {
    bytes += (await Deno.stat(`${parts}/${name}`)).size;
  }
  return { what: "packed folder: the sender's bundle", value: bytes / 1_024, unit: "KiB" };
}

async function run({ folder, quick }: Context): Promise<Row[]> {
  const end = { namespace: null, addresses: [] };
  const addresses = ["192.0.2.2/24", "192.0.2.1/32", "2001:db8::1/64"];
  await connect({ ...end, name: "s0", addresses }, { ...end, name: "s1" });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  try {
    const programs = await programsIn(folder);
    const samples = programs.map(({ name }): Samples & { values: number[] } => ({
      what: name,
      values: [],
    }));
    const repetitions = quick ? 1 : 25;
    // The first two rounds fill caches, Deno's and the packed folder's among them.
    for (let round = quick ? -1 : -2; round < repetitions; round++) {
      for (const [i, program] of programs.entries()) {
        const taken = await time(program, socket);
        if (round >= 0) samples[i].values.push(taken);
      }
    }
    const [empty, ...others] = samples;
    return [
      rowOf(empty, "ms"),
      ...others.map((one, i) =>
        rowOf(one, "ms", empty, isPacked(programs[i + 1]) ? { goal: { max: 1.5 } } : {})
      ),
      ...programs.some(isPacked) ? [await bundleRow(folder)] : [],
    ];
  } finally {
    socket.close();
    await ip(null, ["link del s0"]);
  }
}

export const start: Section = {
  title: "Process start to first datagram",
  about: "From before a process is started until its datagram arrives on the same machine, 25 " +
    "turns; the sender signs, asks for reports and broadcasts.",
  needs: ["cc", "python3"],
  prepare: (folder) => pack(`${folder}/packed`),
  run,
};
