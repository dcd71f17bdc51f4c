/** Classes of forged datagrams, and how many of each are sent. */
import type { Bytes, Random } from "./datagrams.ts";

/** A class: all datagrams of it that there are, or its share of the full attack, made by chance. */
export type AttackClass =
  & {
    readonly name: string;
    /** What has to be found out before the first is made. @default nothing */
    readonly prepare?: () => Promise<void>;
  }
  & (
    | { readonly every: () => Iterable<Bytes> }
    | { readonly share: number; readonly make: () => Bytes }
  );

/** A class of all datagrams that `of` gives. */
export const every = (name: string, of: () => Iterable<Bytes>): AttackClass => ({
  name,
  every: of,
});

/** A class made by chance, with its share of the full attack. */
export const made = (name: string, share: number, make: () => Bytes): AttackClass => ({
  ...{ name, share, make },
});

/** The shares of the classes are of so many. */
export const fullAttack = { requests: 1_000_000, acks: 200_000 } as const;

/** How much of a full attack is made. */
interface Amount {
  readonly count: number;
  readonly full: number;
  readonly random: Random;
}

/**
 * Class by class at least `count` datagrams, at least one of each class. Of fewer than the full
 * attack's number the shares are smaller and only every so many of all is taken; the last class
 * fills up.
 */
export function* draw(
  classes: readonly AttackClass[],
  { count, full, random }: Amount,
): Generator<{ readonly attack: AttackClass; readonly datagrams: Iterable<Bytes> }> {
  const stride = Math.max(1, Math.floor(full / count));
  let made = 0;
  for (const attack of classes) {
    yield {
      attack,
      datagrams: (function* () {
        for (const bytes of ofClass(attack)) {
          made++;
          yield bytes;
        }
      })(),
    };
  }

  function* ofClass(attack: AttackClass): Generator<Bytes> {
    if ("every" in attack) {
      const offset = random.below(stride);
      let i = 0;
      for (const bytes of attack.every()) {
        if (i++ === 0 || (i + offset) % stride === 0) yield bytes;
      }
      return;
    }
    const isLast = attack === classes.at(-1);
    const share = Math.ceil(attack.share * Math.min(1, count / full));
    for (let i = 0; i < share || isLast && made < count; i++) yield attack.make();
  }
}
