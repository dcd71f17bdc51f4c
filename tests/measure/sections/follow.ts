import { type Helper, type Round, runFollowLab } from "../../lab/follow.ts";
import { type Context, figure, type Row, rowOf, type Section } from "../section.ts";
import { quantile } from "../statistics.ts";

async function run({ quick, progress }: Context): Promise<Row[]> {
  const pair: readonly Helper[] = ["nothing", "daemon"];
  const helpers = quick ? pair : [...pair, ...pair.toReversed(), ...pair, ...pair.toReversed()];
  const rounds: Round[] = [];
  for (let i = 0; i < (quick ? 1 : 2); i++) {
    rounds.push(...(await runFollowLab(helpers, false)).rounds);
    progress(JSON.stringify(rounds.slice(-helpers.length)));
  }
  const of = (helper: Helper) => rounds.filter((round) => round.helper === helper);
  const duration = (helper: Helper, what: string) => ({
    what: `${what}: from cut to last master`,
    values: of(helper).map(({ failoverMs }) => failoverMs),
  });
  const alone = duration("nothing", "nothing else");
  const delays = (helper: Helper) =>
    of(helper).flatMap(({ firstDatagramMs }) => firstDatagramMs.map((ms) => ms ?? Infinity));
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  return [
    rowOf(alone, "ms"),
    rowOf(duration("daemon", "daemon"), "ms", alone),
    rowOf(
      { what: "daemon: a link's first line to its datagram", values: delays("daemon") },
      "ms",
    ),
    figure("99th percentile", quantile(delays("daemon"), 0.99), "ms", { goal: { max: 30 } }),
    rowOf({
      what: "requests on a link for 20 addresses",
      values: of("daemon").flatMap(({ requests }) => requests),
    }, ""),
    figure(
      "addresses not asked about, or gone",
      sum(of("daemon").flatMap(({ unasked, lateRequests }) => [...unasked, lateRequests])),
      "",
      { promise: { max: 0 } },
    ),
  ];
}

export const follow: Section = {
  title: "The daemon beside keepalived",
  about:
    "Real keepalived, 40 instances on two links; the master's cables are cut, eight turns with " +
    "and without the daemon.",
  needs: ["keepalived", "nft", "mkfifo"],
  runsOutside: true,
  run,
};
