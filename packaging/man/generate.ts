/**
 * Writes the manual pages, which follow from the usage texts, the settings and CHANGELOG.md. Run
 * `deno run -q --allow-read --allow-write packaging/man/generate.ts`.
 */
import { arpflushVersion } from "../../lib/version.ts";
import { releaseOf } from "../changelog.ts";
import { senderPage } from "./sender_page.ts";
import { servicePage } from "./service_page.ts";

/** The pages by file name. */
export async function manualPages(): Promise<Readonly<Record<string, string>>> {
  const changelog = await Deno.readTextFile(new URL("../../CHANGELOG.md", import.meta.url));
  const { date } = releaseOf(changelog, arpflushVersion);
  const edition = { version: arpflushVersion, date };
  return { "arpflush.1": senderPage(edition), "arpflush-service.8": servicePage(edition) };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await manualPages())) {
    await Deno.writeTextFile(new URL(name, import.meta.url), text);
  }
}
