import { count, measureInstances } from "../../lab/instances.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";

async function run({ quick, progress }: Context): Promise<Row[]> {
  const [alone, ...others] = await measureInstances(quick ? 1 : 5);
  for (const { what, values } of [alone, ...others]) progress(`${what}: ${values.join(", ")} ms`);
  return [rowOf(alone, "ms"), ...others.map((one) => rowOf(one, "ms", alone))];
}

export const instances: Section = {
  title: "Forty instances fail over at once",
  about:
    `Real keepalived, ${count} instances in a \`vrrp_sync_group\`: from the master's end until ` +
    "the other router has the last address, 5 turns. No host answers: it is the failover's own " +
    "processors that scripts take.",
  needs: ["keepalived", "ps"],
  runsOutside: true,
  run,
};
