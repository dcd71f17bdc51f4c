/** Makes a host's key in the registry twice and prints what is there then; run by deno.exe. */
import { createHostKeyRegistry } from "../../../lib/service/windows_program.ts";
import { messageOf } from "../../../lib/errors.ts";

const store = createHostKeyRegistry();
const before = store.read();
const seed = new Uint8Array(32).fill(7);
store.write(seed);
let again = "";
try {
  store.write(seed);
} catch (error) {
  again = messageOf(error);
}
console.log(JSON.stringify({
  before,
  kept: store.read()?.toHex(),
  again,
}));
