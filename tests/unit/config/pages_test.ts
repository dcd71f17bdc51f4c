import assert from "node:assert/strict";
import { pages } from "../../../docs/generate.ts";
import { exampleSettings } from "../../../docs/settings_page.ts";
import { parseSettingsText } from "../../../lib/config/file.ts";
import { defaultSettings, settingNames } from "../../../lib/config/settings.ts";

for (const [path, page] of Object.entries(pages)) {
  Deno.test(`${path} is what docs/generate.ts makes`, () => {
    const text = Deno.readTextFileSync(new URL(`../../../${path}`, import.meta.url));
    assert.equal(
      text.replaceAll("\r\n", "\n"),
      page(),
      "write it anew: deno run -q --allow-read --allow-write docs/generate.ts",
    );
  });
}

Deno.test("exampleSettings() are the defaults, commented out or not", () => {
  const text = exampleSettings();
  assert.deepEqual(parseSettingsText(text, "arpflush.toml").settings, defaultSettings());
  const uncommented = text.replace(/^#(?=[A-Z])/gm, "");
  const { settings, origins } = parseSettingsText(uncommented, "arpflush.toml");
  assert.deepEqual(settings, defaultSettings());
  for (const name of settingNames) assert.equal(origins[name], "arpflush.toml");
});
