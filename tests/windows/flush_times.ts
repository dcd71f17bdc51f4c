/**
 * Prints how long the service's flush takes beside FlushIpNetTable2 alone, as a
 * table: deno.exe under Wine, with the stand-in that empties the Linux kernel's table.
 * Needs root and wine/setup.sh.
 *
 *   deno run -q -P=tests tests/windows/flush_times.ts [REPETITIONS]
 */
import { fillingLines, tableSizes } from "../measure/sections/flush.ts";
import { formatSpread, median } from "../measure/statistics.ts";
import { linesOf } from "../support/command.ts";
import { placeStandIn } from "./wine/ip_helper.ts";
import { denoExe, openWineSession, windowsPath } from "./wine/session.ts";

const repetitions = Number(Deno.args[0] ?? 15);

await using session = await openWineSession();
const unix = async (...command: string[]) => {
  const { code, stderr } = await session.unix(command);
  if (code !== 0) throw new Error(`${command[0]}: ${stderr}`);
};
await placeStandIn(session);
for (const size of tableSizes) {
  await Deno.writeTextFile(`${session.shared}/fill-${size}`, `${fillingLines(size).join("\n")}\n`);
}
const program = windowsPath("/checkout/tests/windows/wine/flush_times_program.ts");
const child = session.startWine([denoExe, "run", "-q", "-A", "--cached-only", program], {
  withInput: true,
});
const lines = linesOf(child.stdout);
const nextLine = async () => (await lines.next()).value;
if (await nextLine() !== "ready") throw new Error("Cannot start deno.exe");
const input = child.stdin.getWriter();

/** Fills the table and flushes it; ms. */
async function flush(size: number, how: "arpflush" | "alone" | "calls"): Promise<number> {
  await unix("ip", "-batch", `/shared/fill-${size}`);
  await input.write(new TextEncoder().encode(`${how}\n`));
  return Number(await nextLine());
}

console.log(
  "| entries | ArpFlush ms | the three calls ms | FlushIpNetTable2 ms | ratio to the calls |",
);
console.log(
  "| ------: | ----------: | -----------------: | ------------------: | -----------------: |",
);
for (const size of tableSizes) {
  const ways = ["arpflush", "calls", "alone"] as const;
  const times = ways.map((): number[] => []);
  for (let round = -2; round < repetitions; round++) {
    for (const [i, way] of ways.entries()) {
      const ms = await flush(size, way);
      // The first rounds compile.
      if (round >= 0) times[i].push(ms);
    }
  }
  const ratio = (median(times[0]) / median(times[1])).toFixed(2);
  const cells = [size.toLocaleString("en-US"), ...times.map(formatSpread), ratio];
  console.log(`| ${cells.join(" | ")} |`);
}
await input.close();
