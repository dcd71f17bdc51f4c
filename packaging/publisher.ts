/** Whose programs these are, in one place: LICENSE and debian/control say the same (tests). */
/** Names as executables, packages and their changelogs carry them. */
export const publisher = {
  product: "ArpFlush",
  company: "The ArpFlush authors",
  copyright: "Copyright (c) 2026 The ArpFlush authors",
  maintainer: "ArpFlush authors <arpflush@arpflush.invalid>",
} as const;

/** What each program is, for people who look at its file. */
export const descriptions: Readonly<Record<string, string>> = {
  "arpflush": "ArpFlush sender: tells hosts of a failover",
  "arpflush-service": "ArpFlush service: flushes the neighbor cache",
};
