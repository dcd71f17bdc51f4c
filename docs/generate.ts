/**
 * Writes what follows from the source: docs/settings.md, docs/events.md and
 * packaging/arpflush.toml. Run `deno run -q --allow-read --allow-write docs/generate.ts`.
 */
import { eventsPage } from "./events_page.ts";
import { exampleSettings, settingsPage } from "./settings_page.ts";

/** The generated files by path from the repository's root. */
export const pages: Readonly<Record<string, () => string>> = {
  "docs/settings.md": settingsPage,
  "docs/events.md": eventsPage,
  "packaging/arpflush.toml": exampleSettings,
};

if (import.meta.main) {
  for (const [path, page] of Object.entries(pages)) {
    Deno.writeTextFileSync(new URL(`../${path}`, import.meta.url), page());
  }
}
