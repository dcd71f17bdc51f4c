/** Random schedules for property tests: steps of several kinds in any order. */
import fc from "fast-check";

/** A step of a kind with its parts, `weight` times as likely as one of weight 1. */
export function step<const Kind extends string, Parts extends object>(
  kind: Kind,
  parts: { readonly [Name in keyof Parts]: fc.Arbitrary<Parts[Name]> },
  weight = 1,
): { weight: number; arbitrary: fc.Arbitrary<{ readonly kind: Kind } & Parts> } {
  const record = fc.record(parts) as fc.Arbitrary<Parts>;
  return { weight, arbitrary: record.map((values) => ({ kind, ...values })) };
}

/** What an arbitrary gives. */
export type Given<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never;
