/** The kinds of values that settings have, as schemas. */
import * as v from "valibot";
import { isWholeAddress, parsePrefix } from "../wire/ip_address.ts";

/** A setting that is a number within limits. */
export function wholeNumber(least: number, most: number, fallback: number, unit: string) {
  return {
    kind: "number",
    default: fallback,
    allowed: `a whole number from ${least} to ${most}`,
    unit,
    secret: false,
    schema: v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)),
  } as const;
}

/** A setting that is one of some words. */
export function oneOf<const Word extends string>(words: readonly Word[], fallback: Word) {
  return {
    kind: "text",
    default: fallback,
    allowed: `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    unit: "",
    secret: false,
    schema: v.picklist(words),
  } as const;
}

/** A keyword, or a list of parsed texts; a single text counts as a list of one. */
export function keywordOrList<const Keyword extends string, Item>(
  keywords: readonly Keyword[],
  most: number,
  parse: (text: string) => Item,
) {
  const texts = v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(most));
  const parsed = v.rawTransform<string[], Keyword | readonly Item[]>(
    ({ dataset: { value }, addIssue, NEVER }) => {
      const keyword = keywords.find((word) => value.length === 1 && value[0] === word);
      if (keyword !== undefined) return keyword;
      try {
        return value.map(parse);
      } catch (error) {
        addIssue({ message: error instanceof Error ? error.message : String(error) });
        return NEVER;
      }
    },
  );
  const toList = v.transform((given: string | string[]) =>
    typeof given === "string" ? [given] : given
  );
  return v.pipe(v.union([v.string(), v.array(v.string())]), toList, texts, parsed);
}

/** An address from its text; throws an Error for a network. */
export function parseWholeAddress(text: string) {
  const prefix = parsePrefix(text);
  if (!isWholeAddress(prefix)) throw new Error(`"${text}" is a network, not one address`);
  return prefix;
}
