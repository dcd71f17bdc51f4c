/** `--check`: the settings in effect with where each comes from, as TOML; or every error. */
import type { LoadedSettings } from "../config/file.ts";
import { settingNames, settingTable } from "../config/schema.ts";
import type { Settings } from "../config/settings.ts";
import { type AddressPrefix, formatPrefix } from "../wire/ip_address.ts";
import { keysText, loadKeyring, type ReadKeyFile } from "./keys.ts";

/** The effective settings as lines; throws a `StartError` when the keys are of no use. */
export function checkText(loaded: LoadedSettings, read: ReadKeyFile): string {
  const { settings, origins } = loaded;
  const lines = settingNames.map((name) => {
    const { unit } = settingTable[name];
    const origin = unit === "" ? origins[name] : `${unit}; ${origins[name]}`;
    return `${`${name} = ${valueText(settings, name)}`.padEnd(36)} # ${origin}`;
  });
  const keyring = loadKeyring(settings, read);
  return [...lines, `# Keys: ${keysText(keyring)}`, ""].join("\n");
}

/** A value as the file holds it; a secret's is left out. */
function valueText(settings: Settings, name: keyof Settings): string {
  const value = settings[name];
  if (settingTable[name].secret && value !== "") return `"***"`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `[${value.map((prefix: AddressPrefix) => `"${formatPrefix(prefix)}"`).join(", ")}]`;
}
