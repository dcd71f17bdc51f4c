/** What the sender reads from files before it sends: the key, the old password, who is expected. */
import { readSecretFile } from "../files/secret_file.ts";
import { systemReason } from "../files/system_error.ts";
import { type Key, parseKeyFile } from "../wire/keyring.ts";
import { messageOf, RunError } from "./errors.ts";
import { type Expectation, parseExpectedNames } from "./expectation.ts";
import type { ExpectWish } from "./options.ts";

function readSecret(path: string, what: string): string {
  try {
    return readSecretFile(path, what);
  } catch (error) {
    throw new RunError(messageOf(error), 2);
  }
}

/** The key that signs, the first of a key file. Throws a RunError without any part of a key. */
export function readSigningKey(path: string): Key {
  const text = readSecret(path, "key file");
  try {
    return parseKeyFile(text).signing;
  } catch (error) {
    throw new RunError(`Cannot read key file "${path}": ${messageOf(error)}`, 2);
  }
}

/** The password in a file: its one line, without the line break. Throws a RunError. */
export function readPassword(path: string): string {
  const password = readSecret(path, "password file").replace(/\r?\n$/, "");
  const fault = password === "" ? "is empty" : /[\r\n]/.test(password) ? "has several lines" : null;
  if (fault !== null) throw new RunError(`Cannot read password file "${path}": it ${fault}`, 2);
  return password;
}

/** Who is expected; a file of names is read. Throws a RunError. */
export function readExpectation(wish: ExpectWish | null): Expectation | null {
  if (wish === null || wish.kind === "count") return wish;
  const cannot = (reason: string) =>
    new RunError(`Cannot read expected hosts from "${wish.path}": ${reason}`, 2);
  let text: string;
  try {
    text = Deno.readTextFileSync(wish.path);
  } catch (error) {
    throw cannot(systemReason(error));
  }
  try {
    return { kind: "names", names: parseExpectedNames(text) };
  } catch (error) {
    throw cannot(messageOf(error));
  }
}
