/** What Windows shows of an executable: version, names, icon. */
import { NtExecutable, NtExecutableResource } from "pe-library";
import { Data, Resource } from "resedit";
import { arpflushVersion } from "../lib/version.ts";
import { type Program, publisher } from "./programs.ts";

/** English (United States), in UTF-16. */
const language = { lang: 1033, codepage: 1200 } as const;
/** VOS_NT_WINDOWS32, VFT_APP (verrsrc.h). */
const windows = { fileOS: 0x4_0004, fileType: 1 } as const;
const iconFile = `${import.meta.dirname}/windows/arpflush.ico`;

/**
 * Writes version and icon into a program's executable that `deno compile` made. What Deno keeps in it,
 * the program, is a resource too and stays. The same file makes the same bytes.
 */
export async function addFileDetails(path: string, { name, description }: Program): Promise<void> {
  const executable = NtExecutable.from(await Deno.readFile(path));
  const resources = NtExecutableResource.from(executable);
  const info = Resource.VersionInfo.createEmpty();
  const [major, minor, patch] = arpflushVersion.split(".").map(Number);
  info.lang = language.lang;
  info.setFileVersion(major, minor, patch, 0, language.lang);
  info.setProductVersion(major, minor, patch, 0, language.lang);
  Object.assign(info.fixedInfo, windows);
  info.setStringValues(language, {
    CompanyName: publisher.company,
    FileDescription: description,
    FileVersion: arpflushVersion,
    InternalName: name,
    LegalCopyright: publisher.copyright,
    OriginalFilename: `${name}.exe`,
    ProductName: publisher.product,
    ProductVersion: arpflushVersion,
  });
  info.outputToResourceEntries(resources.entries);
  const { buffer } = await Deno.readFile(iconFile);
  const icons = Data.IconFile.from(buffer).icons.map(({ data }) => data);
  Resource.IconGroupEntry.replaceIconsForResource(resources.entries, 1, language.lang, icons);
  resources.outputResource(executable);
  await Deno.writeFile(path, new Uint8Array(executable.generate()));
}
