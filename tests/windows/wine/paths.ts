/** Where the checkout is, and the folder that setup.sh filled. */

/** The checkout's root. */
export const checkoutPath = Deno.realPathSync(`${import.meta.dirname}/../../..`);

/** The cache folder: $ARPFLUSH_CACHE, or .cache in the checkout. */
export const cachePath = Deno.env.get("ARPFLUSH_CACHE") || `${checkoutPath}/.cache`;

/** What this machine lacks for Wine as setup.sh builds it, in words, or null. */
export async function wineLack(): Promise<string | null> {
  const isThere = await Deno.stat(`${cachePath}/wine/stamp`).then(() => true, () => false);
  return isThere ? null : "Wine: run tests/windows/wine/setup.sh as root";
}
