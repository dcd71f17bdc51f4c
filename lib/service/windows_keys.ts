/** Key files on Windows: used only if nobody but trusted accounts can read or change them. */
import { accessFault } from "../config/windows_access.ts";
import { readSecretFile } from "../files/secret_file.ts";
import { systemReason } from "../files/system_error.ts";
import { accessOfFile, type ObjectAccess, ownSid } from "../win32/access_control.ts";
import type { ReadKeyFile } from "./keys.ts";

/** What judging a file needs of Windows. */
export interface FileAccessParts {
  readonly accessOfFile: (path: string) => ObjectAccess;
  readonly ownSid: () => string;
}

/** Reads key files; as `ReadKeyFile` wants it. */
export function createWindowsKeyReader(
  parts: FileAccessParts = { accessOfFile, ownSid },
): ReadKeyFile {
  return (path) => {
    try {
      Deno.statSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
    }
    const cannot = (reason: string) => new Error(`Cannot read key file "${path}": ${reason}`);
    let fault: string | null;
    try {
      fault = accessFault(parts.accessOfFile(path), parts.ownSid());
    } catch (error) {
      throw cannot(systemReason(error));
    }
    if (fault !== null) {
      throw cannot(
        `refused, ${fault}; run icacls "${path}" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F`,
      );
    }
    return readSecretFile(path);
  };
}
