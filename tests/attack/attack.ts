/** The whole attack: all parts, one after the other. */
import { attackSteppedClock } from "./clock_steps.ts";
import { attackWithAcks } from "./forged_acks.ts";
import { attackWithForgeries } from "./forged_requests.ts";
import type { AttackOptions } from "./options.ts";
import type { PartOutcome } from "./outcome.ts";
import { createRandom, type Random } from "./random.ts";
import { attackFullWindow, attackWithReplays } from "./replays.ts";

/** How the replays are shared out among their circumstances. */
const shares = { live: 0.3, elsewhere: 0.2, restarted: 0.15, full: 0.2, stepped: 0.15 } as const;

/** Runs the parts; `told` hears of each outcome at once. */
export async function attack(
  { forged, replays, acks, seed }: Pick<AttackOptions, "forged" | "replays" | "acks" | "seed">,
  told: (outcome: PartOutcome) => void | Promise<void>,
): Promise<void> {
  const share = (name: keyof typeof shares) => Math.ceil(replays * shares[name]);
  const parts: readonly ((random: Random) => Promise<PartOutcome>)[] = [
    (random) => attackWithForgeries(forged, random),
    (random) => {
      const counts = {
        live: share("live"),
        elsewhere: share("elsewhere"),
        restarted: share("restarted"),
      };
      return attackWithReplays(counts, random);
    },
    (random) => attackFullWindow(share("full"), random),
    (random) => attackSteppedClock(share("stepped"), random),
    (random) => attackWithAcks(acks, random),
  ];
  for (const [i, part] of parts.entries()) await told(await part(createRandom(seed + i)));
}
