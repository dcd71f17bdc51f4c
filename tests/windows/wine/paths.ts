/** Where the checkout is, and the folder that setup.sh filled. */

/** The checkout's root. */
export const checkoutPath = Deno.realPathSync(`${import.meta.dirname}/../../..`);

/** The cache folder: $ARPFLUSH_CACHE, or .cache in the checkout. */
export const cachePath = Deno.env.get("ARPFLUSH_CACHE") || `${checkoutPath}/.cache`;
