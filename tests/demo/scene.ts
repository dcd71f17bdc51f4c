/**
 * What the demo shows in namespaces: a router, a host and the link between them. Another router
 * takes the address over without a word, which leaves the host with a stale entry. Exit code: 0 if
 * ArpFlush healed it.
 */
import { outcomeOf, until } from "../support/command.ts";
import {
  connect,
  ip,
  linkLayerAddressOf,
  type NetworkNamespace,
  openNetworkNamespace,
} from "../support/namespaces.ts";
import { programLine, startServiceProcess } from "../support/programs.ts";
import { conclude, show, writeDemoFiles } from "./common.ts";

/** One that the service may write to; the namespaces have a /run of their own. */
const folder = "/run/arpflush";
const virtualAddress = "192.0.2.1";
const firstRouter = "02:00:00:00:00:0a";
const secondRouter = "02:00:00:00:00:0b";

/** Makes the host ask for the virtual address, and waits until it knows the first router's. */
async function learnRouter(host: NetworkNamespace): Promise<void> {
  await ip(host, [`neigh add ${virtualAddress} dev e0 nud none use`]);
  const knows = async () => await linkLayerAddressOf(host, virtualAddress) === firstRouter;
  await until(knows, "the host has learned its router's address", 3_000);
}

async function play(): Promise<boolean> {
  show("Two network namespaces and a link between them; the tables are the kernel's own.");
  const { key, settings } = await writeDemoFiles(folder, []);
  await using router = await openNetworkNamespace("router");
  await using host = await openNetworkNamespace("host");
  await connect(
    {
      namespace: router,
      name: "e0",
      addresses: ["192.0.2.2/24", `${virtualAddress}/32`],
      linkLayerAddress: firstRouter,
    },
    { namespace: host, name: "e0", addresses: ["192.0.2.10/24"] },
  );
  await using service = startServiceProcess({
    argv: host.argv,
    args: ["--config", settings],
    env: { STATE_DIRECTORY: folder },
  });
  await service.line(/Started/);
  await learnRouter(host);
  // Nothing tells the host: it is like one that ignores gratuitous ARP.
  await ip(router, [`link set e0 address ${secondRouter}`]);
  const before = await linkLayerAddressOf(host, virtualAddress);
  show(
    `${virtualAddress} has moved from ${firstRouter} to ${secondRouter}. The host's table:`,
    await ip(host, ["neigh show"]),
  );

  const send = async (...args: readonly string[]) => {
    const line = programLine("sender", ["-a", "-k", key, "-c", "2", ...args]);
    const outcome = await outcomeOf([...router.argv, ...line]);
    show(`The new router runs send.ts -a ${args.join(" ")}:`, outcome.stdout + outcome.stderr);
    return outcome;
  };
  const probe = await send("--probe");
  const report = await send("--expect", "1");
  const after = await linkLayerAddressOf(host, virtualAddress);
  show("The host's table now:", await ip(host, ["neigh show"]));
  const isStuck = probe.code !== 0 && probe.stdout.includes(` STUCK ${virtualAddress} `);
  const healed = before === firstRouter && isStuck && after === secondRouter && report.code === 0;
  return conclude(healed, report.stdout, "host");
}

/** With the demo's own process this one ends, and the namespaces with it. */
async function endWithInput(): Promise<never> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(1);
}

endWithInput();
Deno.exit(await play() ? 0 : 1);
