/** The bill of materials, of this project's real packages. */
import assert from "node:assert/strict";
import { billOfMaterials, notices, npmPackages } from "../../packaging/sbom.ts";

const packages = await npmPackages();
const materials = {
  ...{ version: "1.2.3", commit: "0123abc", epoch: 1_700_000_000, denoVersion: "2.9.6", packages },
};
const bill = billOfMaterials(materials);

Deno.test("npmPackages() has what the programs hold, by program and with its license, and nothing else", () => {
  const held = packages.map(({ name, programs }) => [name, ...programs]);
  assert.deepEqual(held, [
    ["@logtape/logtape", "arpflush-service"],
    ["@noble/hashes", "arpflush", "arpflush-service"],
    ["smol-toml", "arpflush-service"],
  ]);
  for (const { name, license, licenseText } of packages) {
    assert.match(license, /^[\w.-]+$/, name);
    assert.match(licenseText, /copyright/i, name);
  }
});

Deno.test("billOfMaterials() is a document of SPDX 2.3 whose references are all there", () => {
  assert.equal(bill.spdxVersion, "SPDX-2.3");
  assert.equal(bill.dataLicense, "CC0-1.0");
  assert.equal(bill.creationInfo.created, "2023-11-14T22:13:20Z");
  assert.match(bill.documentNamespace, /^https:\/\/[^#]+-1\.2\.3-0123abc$/);
  const ids = bill.packages.map(({ SPDXID }) => SPDXID);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
  const related = new Set<string>();
  for (const { spdxElementId, relatedSpdxElement } of bill.relationships) {
    related.add(spdxElementId).add(relatedSpdxElement);
  }
  assert.deepEqual([...related].sort(), [...ids, bill.SPDXID].sort());
});

Deno.test("billOfMaterials() names each package as package tools do, with version and sum", () => {
  const npm = bill.packages.filter((it) => it.SPDXID.startsWith("SPDXRef-npm-"));
  assert.equal(npm.length, packages.length);
  for (const it of npm) {
    assert.ok("checksums" in it && "externalRefs" in it);
    assert.match(it.checksums[0].checksumValue, /^[0-9a-f]{128}$/);
    const locator = it.externalRefs[0].referenceLocator;
    assert.equal(decodeURIComponent(locator), `pkg:npm/${it.name}@${it.versionInfo}`);
  }
  assert.ok(
    bill.packages.some(({ name, versionInfo }) => name === "deno" && versionInfo === "2.9.6"),
  );
});

Deno.test("notices() has the license of everything that is delivered", () => {
  const text = notices("MIT\n\nCopyright (c) us\n", materials);
  for (const { name, licenseText } of packages) {
    assert.ok(text.includes(`${name} `) && text.includes(licenseText.trim()), name);
  }
  assert.match(text, /^Copyright \(c\) us$/m);
  assert.match(text, /^Copyright 2018-2026 the Deno authors$/m);
});
