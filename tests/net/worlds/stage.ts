/**
 * A stage for worlds built of namespaces: a switch, a router, three hosts, and a rival that answers in
 * the router's place. Namespaces and processes last; links, addresses, entries and rules are a world's.
 */
import { linesOf, outcomeOf } from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";
import { type NetworkNamespace, openNetworkNamespace } from "../../support/namespaces.ts";
import { programLine } from "../../support/programs.ts";
import type { MachineAnswer, MachineCommand } from "./machine_program.ts";

/** The most hosts that a world has here. */
export const maxHosts = 3;

/** A namespace, and the process that does in it what it is told. */
interface Machine extends AsyncDisposable {
  readonly namespace: NetworkNamespace;
  tell(command: MachineCommand): Promise<MachineAnswer>;
}

/** Addresses at once, no router advertisements, and answers to whatever path packets take. */
const settings = Object.entries({
  "net/ipv6/conf/default/accept_dad": 0,
  "net/ipv6/conf/default/dad_transmits": 0,
  "net/ipv6/conf/default/addr_gen_mode": 1,
  "net/ipv6/conf/default/accept_ra": 0,
  "net/ipv6/conf/default/router_solicitations": 0,
  "net/ipv4/conf/all/rp_filter": 0,
  "net/ipv4/conf/default/rp_filter": 0,
}).map(([name, value]) => `echo ${value} > /proc/sys/${name}`);
const bridgesAlone = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
const answersNoPing = [
  "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all",
  "echo 1 > /proc/sys/net/ipv6/icmp/echo_ignore_all",
];

async function openMachine(name: string, more: readonly string[] = []): Promise<Machine> {
  const namespace = await openNetworkNamespace(name);
  const program = new URL("machine_program.ts", import.meta.url).href;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program];
  const script = [...settings, ...more, 'exec "$@"'].join("\n");
  const [command, ...args] = [...namespace.argv, "sh", "-c", script, "sh", ...deno];
  const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  const answers = linesOf(child.stdout);
  return {
    namespace,
    async tell(command) {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
      const { value } = await answers.next();
      if (value === undefined) throw new Error(`${name} has ended at ${command.kind}`);
      const answer: MachineAnswer = JSON.parse(value);
      if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      await writer.close().catch(() => {});
      await child.status;
      await namespace[Symbol.asyncDispose]();
    },
  };
}

/** The machines of a stage. */
export interface Stage extends AsyncDisposable {
  readonly wires: Machine;
  readonly router: Machine;
  readonly rival: Machine;
  readonly hosts: readonly Machine[];
  /** What hosts list as the router's key. */
  readonly publicText: string;
  /** Runs the sender on the router; its one JSON document, and its exit code. */
  send(args: readonly string[]): Promise<{ readonly code: number; readonly text: string }>;
}

/** Opens a stage; `folder` is for the router's key. */
export async function openStage(folder: string): Promise<Stage> {
  const parts = new AsyncDisposableStack();
  const { publicText, secretText } = createRouter(1);
  await Deno.writeTextFile(`${folder}/key`, `${secretText}\n`, { mode: 0o600 });
  const open = async (name: string, more?: readonly string[]) =>
    parts.use(await openMachine(name, more));
  const wires = await open("wires", [bridgesAlone]);
  const router = await open("r1");
  const rival = await open("rival", answersNoPing);
  const hosts = await Promise.all(Array.from({ length: maxHosts }, (_, i) => open(`host${i}`)));
  return {
    wires,
    router,
    rival,
    hosts,
    publicText,
    send: async (args) => {
      const line = programLine("sender", ["-k", `${folder}/key`, ...args]);
      const { code, stdout, stderr } = await outcomeOf([...router.namespace.argv, ...line]);
      if (stdout === "") throw new Error(`The sender printed nothing: ${stderr}`);
      return { code, text: stdout };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
