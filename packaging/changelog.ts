/** What CHANGELOG.md says about one version. */

/** A version's section. */
export interface Release {
  /** `2026-11-23`. */
  readonly date: string;
  /** What it brought, each on one line. */
  readonly items: readonly string[];
}

/**
 * The section of a version, whose heading is `## 1.2.3 (2026-11-23)`. Throws an Error if there is
 * none: a release nobody has described isn't made.
 */
export function releaseOf(changelog: string, version: string): Release {
  for (const section of changelog.split(/^## /m).slice(1)) {
    const [, found, date] = /^(\S+) \((\d{4}-\d{2}-\d{2})\)\n/.exec(section) ?? [];
    if (found !== version) continue;
    const items = section.split(/^- /m).slice(1).map((item) => item.trim().replaceAll(/\s+/g, " "));
    return { date, items };
  }
  throw new Error(`Cannot find "## ${version} (DATE)" in CHANGELOG.md`);
}
