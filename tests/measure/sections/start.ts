import type { CommandLine } from "../../support/command.ts";
import { connect, ip } from "../../support/namespaces.ts";
import { findPython, senderLine } from "../peers.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, figure, inTurn, type Row, rowOf, type Section } from "../section.ts";

const port = 47_910;
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
  readonly what: string;
  readonly line: CommandLine;
  readonly until: "datagram" | "end";
}

/** The empty program first: all others are compared with it. */
async function programsIn(folder: string, packed: string | null): Promise<Program[]> {
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o600 });
    return `${folder}/${name}`;
  };
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "--no-config"];
  const key = await write("key", `${sharedRouter.secretText}\n`);
  const args = ["-a", "-k", key, "-p", `${port}`, "-c", "1", "-w", "0", "-q"];
  const one = await write("one.ts", denoProgram);
  const empty = await write("empty.ts", "export {};\n");
  const python = [await findPython(), await write("one.py", pythonProgram)];
  const program = (what: string, line: CommandLine): Program => ({ what, line, until: "datagram" });
  return [
    { what: "empty Deno program", line: [...deno, empty], until: "end" },
    program("Deno program of one datagram", [...deno, "--unstable-net", "--allow-net", one]),
    program("Python program of one datagram", python),
    program("C client that signs nothing", [`${folder}/first`, broadcast, `${port}`, key]),
    program("checkout: deno task send -a", senderLine(null, args)),
    ...packed === null ? [] : [program("packed folder: arpflush -a", senderLine(packed, args))],
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

async function bundleRow(packed: string): Promise<Row> {
  const parts = `${packed}/arpflush-parts`;
  let bytes = 0;
  for await (const { name } of Deno.readDir(parts)) {
    bytes += (await Deno.stat(`${parts}/${name}`)).size;
  }
  return figure("packed folder: the sender's bundle", bytes / 1_024, "KiB");
}

async function run({ folder, packed, quick }: Context): Promise<Row[]> {
  const end = { namespace: null, addresses: [] };
  const addresses = ["192.0.2.2/24", "192.0.2.1/32", "2001:db8::1/64"];
  await connect({ ...end, name: "s0", addresses }, { ...end, name: "s1" });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  try {
    const programs = await programsIn(folder, packed);
    // The first two rounds fill caches, Deno's and the packed folder's among them.
    const rounds = { warmUp: quick ? 1 : 2, count: quick ? 1 : 25 };
    const [empty, ...others] = await inTurn(programs, rounds, (program) => time(program, socket));
    const goal = { goal: { max: 1.5 } };
    return [
      rowOf(empty, "ms"),
      ...others.map((one) => rowOf(one, "ms", empty, one.what.startsWith("packed") ? goal : {})),
      ...packed === null ? [] : [await bundleRow(packed)],
    ];
  } finally {
    socket.close();
    await ip(null, ["link del s0"]);
  }
}

export const start: Section = {
  title: "Process start to first datagram",
  about: "From a process's start until its datagram arrives, 25 turns.",
  needs: ["cc", "python3"],
  isPacked: true,
  run,
};
