/** What Windows shows of an executable: version, names, icon. */
import { NtExecutable, NtExecutableResource } from "pe-library";
import { Data, Resource } from "resedit";
import { drawIcon, iconSizes } from "./icon.ts";

/** What the properties of the file say. */
export interface FileDetails {
  /** `1.2.3` */
  readonly version: string;
  /** The executable's own name, `arpflush.exe`. */
  readonly file: string;
  readonly description: string;
  readonly product: string;
  readonly company: string;
  readonly copyright: string;
}

/** English (United States), in UTF-16. */
const language = { lang: 1033, codepage: 1200 } as const;
/** VOS_NT_WINDOWS32, VFT_APP (verrsrc.h). */
const windows = { fileOS: 0x4_0004, fileType: 1 } as const;

/**
 * Writes version and icon into an executable that `deno compile` made. What Deno keeps in it, the
 * program, is a resource too and stays. The same file and details make the same bytes.
 */
export async function addFileDetails(path: string, details: FileDetails): Promise<void> {
  const executable = NtExecutable.from(await Deno.readFile(path));
  const resources = NtExecutableResource.from(executable);
  const { file, description, product, company, copyright, version } = details;
  const info = Resource.VersionInfo.createEmpty();
  const [major, minor, patch] = version.split(".").map(Number);
  info.lang = language.lang;
  info.setFileVersion(major, minor, patch, 0, language.lang);
  info.setProductVersion(major, minor, patch, 0, language.lang);
  Object.assign(info.fixedInfo, windows);
  info.setStringValues(language, {
    CompanyName: company,
    FileDescription: description,
    FileVersion: version,
    InternalName: file.replace(/\.exe$/, ""),
    LegalCopyright: copyright,
    OriginalFilename: file,
    ProductName: product,
    ProductVersion: version,
  });
  info.outputToResourceEntries(resources.entries);
  const icons = iconSizes.map((size) => Data.IconItem.from(drawIcon(size).buffer));
  Resource.IconGroupEntry.replaceIconsForResource(resources.entries, 1, language.lang, icons);
  resources.outputResource(executable);
  await Deno.writeFile(path, new Uint8Array(executable.generate()));
}
