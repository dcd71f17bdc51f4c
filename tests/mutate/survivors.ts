/** Mutants that no test can catch, because they do what the original does: listed with the reason. */
import type { Mutant } from "./mutants.ts";

/** One of them. */
export interface Survivor {
  readonly path: string;
  readonly what: string;
  readonly old: string;
  readonly new: string;
  /** Why it can't be told from the original. */
  readonly why: string;
}

/** The list beside this file. */
export async function readSurvivors(): Promise<Survivor[]> {
  return JSON.parse(await Deno.readTextFile(new URL("survivors.json", import.meta.url)));
}

/** Whether a listed survivor is this mutant, wherever in the module it is. */
export function isSame(survivor: Survivor, mutant: Mutant): boolean {
  return survivor.path === mutant.path && survivor.what === mutant.what &&
    survivor.old === mutant.old && survivor.new === mutant.new;
}
