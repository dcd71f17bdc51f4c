import { pack } from "../../../packaging/pack.ts";
import { labLacks } from "../../lab/failover.ts";
import { count, measureInstances } from "../../lab/instances.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";

async function run({ quick, progress }: Context): Promise<Row[]> {
  const lack = await labLacks();
  if (lack !== null) throw new Error(`this machine lacks ${lack}`);
  await pack("dist/arpflush");
  const [alone, ...others] = await measureInstances(quick ? 1 : 5);
  for (const { what, values } of [alone, ...others]) progress(`${what}: ${values.join(", ")} ms`);
  return [rowOf(alone, "ms"), ...others.map((one) => rowOf(one, "ms", alone))];
}

export const instances: Section = {
  title: "Forty instances fail over at once",
  about: `Two routers with real keepalived and ${count} instances in a \`vrrp_sync_group\`: time ` +
    "until the other router has the last address after the master ended, 5 turns. Nobody " +
    "answers: it is the routers' own processors that scripts take from the failover.",
  needs: ["keepalived", "ps"],
  runsOutside: true,
  run,
};
