/** The JSON schemas that are delivered, as judges of real documents. */
import Ajv from "ajv/dist/2020.js";
import assert from "node:assert/strict";

/** The schemas' names, which are those of their files. */
export const schemaNames = ["arpflush-run", "arpflush-history", "install-status"] as const;
export type SchemaName = typeof schemaNames[number];

/** A schema as it is delivered. */
export async function readSchema(name: SchemaName): Promise<Record<string, unknown>> {
  const path = `${import.meta.dirname}/../../packaging/schemas/${name}.schema.json`;
  return JSON.parse(await Deno.readTextFile(path));
}

const ajv = new Ajv.default({
  strict: true,
  allErrors: true,
  allowUnionTypes: true,
  // RFC 3339 in UTC, as `Date.toISOString` and install.ps1 write it.
  formats: { "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/ },
});

/** What a schema finds wrong with a document, a line each. */
export async function schemaFaults(name: SchemaName, document: unknown): Promise<string[]> {
  const validate = ajv.getSchema(name) ??
    ajv.addSchema(await readSchema(name), name).getSchema(name);
  assert.ok(validate !== undefined);
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath || "/"} ${message} ${JSON.stringify(params)}`
  );
}

/** Throws an AssertionError unless a schema finds nothing wrong with a document's text. */
export async function assertMatches(name: SchemaName, text: string): Promise<void> {
  assert.deepEqual(await schemaFaults(name, JSON.parse(text)), [], text);
}
