/** Text to what man(7) macros take. */

/** Input lines no longer than mandoc likes them. */
const columns = 78;

/** Running text: no character of it is roff's, no line of it a request or too long. */
export function running(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map(escaped).join("\n");
}

/** A sentence of what may lack its capital letter and full stop. */
export function sentence(text: string): string {
  if (text === "") return "";
  const stop = /[.?!]$/.test(text) ? "" : ".";
  return running(text.charAt(0).toUpperCase() + text.slice(1) + stop);
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replace(/^(?=[.'])/, "\\&").replaceAll("…", "...");
}

/** Text that is typed as it stands: hyphens stay what the shell reads. */
export function literal(text: string): string {
  return escaped(text).replaceAll("-", "\\-").replaceAll('"', "\\(dq");
}

/** An option's forms, `-k, --key-file FILE`: what is typed bold, what is replaced italic. */
export function optionForms(forms: string): string {
  const words = forms.split(/(\s+|, |\|)/).map((word) => {
    if (word.startsWith("-")) return `\\fB${literal(word)}\\fP`;
    return /^[A-Z]/.test(word) ? `\\fI${literal(word)}\\fP` : word;
  });
  return words.join("");
}

/** A list of terms, each with its text. */
export function definitions(entries: Iterable<readonly [term: string, text: string]>): string {
  const items = Array.from(entries, ([term, text]) => `.TP\n${term}\n${text && `${text}\n`}`);
  return items.join("");
}

/** Commands and the like, as they are. */
export function example(text: string): string {
  return `.PP\n.nf\n.RS\n${literal(text.trimEnd())}\n.RE\n.fi\n`;
}
