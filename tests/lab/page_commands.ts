/** The commands that a page of the documentation tells its reader to type. */

const root = new URL("../../", import.meta.url);

/** One block of commands. */
interface Block {
  /** As written, its indentation taken away. */
  readonly text: string;
  /** What its first comment says: `on the host`; empty without one. */
  readonly where: string;
}

/** The text of a page, by its path from the project's folder. */
export function pageText(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, root));
}

/** The blocks of a language in a page's text, in their order. */
export function blocksOf(page: string, language: string): Block[] {
  const pattern = new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, "gms");
  return [...page.matchAll(pattern)].map(([, indentation, block]) => {
    const text = block.replaceAll(new RegExp(`^${indentation}`, "gm"), "");
    return { text, where: /^# (on [^:,\n]*)/.exec(text)?.[1] ?? "" };
  });
}

/** The README's setup, one text of commands each. */
export async function readmeSteps(): Promise<{ steps: string[]; notify: string }> {
  const readme = await pageText("README.md");
  const part = /## Set it up in four steps\n(.*?)\n## /s.exec(readme)?.[1] ?? "";
  return {
    steps: blocksOf(part, "sh").map(({ text }) => text),
    notify: /notify_master "(.*)"/.exec(part)?.[1] ?? "",
  };
}

/** The places for the reader's own as variables of the shell, which is the only thing changed. */
export function withVariables(text: string): string {
  return text.replaceAll("@HOST", "@$HOST").replaceAll("arpflush-public-…", "$PUBLIC")
    .replaceAll(/arpflush-public-(NEW|OLD)/g, "$$$1");
}
