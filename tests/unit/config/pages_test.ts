import assert from "node:assert/strict";
import { pages } from "../../../docs/generate.ts";
import { parseSettingsText } from "../../../lib/config/file.ts";
import { defaultSettings, settingNames } from "../../../lib/config/settings.ts";

for (const [path, page] of Object.entries(pages)) {
  Deno.test(`${path} is what \`deno task docs\` makes`, () => {
    const text = Deno.readTextFileSync(new URL(`../../../${path}`, import.meta.url));
    assert.equal(
      text.replaceAll("\r\n", "\n"),
      page(),
      "write it anew: deno task docs",
    );
  });
}

Deno.test("packaging/arpflush.toml has the defaults, commented out or not", () => {
  const text = pages["packaging/arpflush.toml"]();
  assert.deepEqual(parseSettingsText(text, "arpflush.toml").settings, defaultSettings());
  const uncommented = text.replace(/^#(?=[A-Z])/gm, "");
  const { settings, origins } = parseSettingsText(uncommented, "arpflush.toml");
  assert.deepEqual(settings, defaultSettings());
  for (const name of settingNames) assert.equal(origins[name], "arpflush.toml");
});
