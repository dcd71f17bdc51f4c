import assert from "node:assert/strict";
import { nearest } from "../../../lib/config/settings.ts";

const names = ["Port", "HoldDownSeconds", "LogLevel", "LogFormat"] as const;

Deno.test("nearest() finds a name behind mistypings and other letter case", () => {
  assert.equal(nearest("port", names), "Port");
  assert.equal(nearest("holddownseconds", names), "HoldDownSeconds");
  assert.equal(nearest("HoldDown", names), "HoldDownSeconds");
  assert.equal(nearest("LogLevl", names), "LogLevel");
  assert.equal(nearest("LogForamt", names), "LogFormat");
});

Deno.test("nearest() finds none for what is nothing like a name, or far too long", () => {
  assert.equal(nearest("Colour", names), null);
  assert.equal(nearest("", names), null);
  assert.equal(nearest("x".repeat(1_000_000), names), null);
  assert.equal(nearest("Port", []), null);
});
