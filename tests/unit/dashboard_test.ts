/** packaging/grafana-dashboard.json, judged by Grafana's own types; its queries are with the alerts. */
import assert from "node:assert/strict";
import dashboard from "../../packaging/grafana-dashboard.json" with { type: "json" };
import { inFolder, outcomeOf } from "../support/command.ts";

/** The types of a dashboard with these kinds of panels, as they are in JSON: enums are their texts. */
const types = `
import type { Dashboard, Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import type { Dataquery } from "@grafana/grafana-foundation-sdk/prometheus";
import type { Options as Stat } from "@grafana/grafana-foundation-sdk/stat";
import type { Options as Table } from "@grafana/grafana-foundation-sdk/table";
import type { FieldConfig as Line, Options as TimeSeries } from "@grafana/grafana-foundation-sdk/timeseries";

type Json<T> = T extends string ? \`\${T}\` : T extends readonly (infer One)[] ? Json<One>[] : T extends object
  ? { [K in keyof T as K extends "_implementsDataqueryVariant" ? never : K]: Json<T[K]> } : T;
type Some<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
type FieldConfig<Custom> = Omit<NonNullable<Panel["fieldConfig"]>, "defaults"> &
  { defaults: Omit<NonNullable<Panel["fieldConfig"]>["defaults"], "custom"> & { custom?: Custom } };
type PanelOf<Type, Options, Custom = Record<string, never>> =
  & Omit<Panel, "type" | "options" | "fieldConfig" | "targets">
  & { type: Type; options: Some<Options>; fieldConfig: FieldConfig<Custom>; targets: Dataquery[] };
type OwnPanel = PanelOf<"stat", Stat> | PanelOf<"table", Table> | PanelOf<"timeseries", TimeSeries, Line>;
type Variables = { name: string; label: string; type: "datasource"; query: string }[];
type OwnDashboard = Json<Omit<Dashboard, "panels" | "templating"> & { panels: OwnPanel[]; templating: { list: Variables } }>;
`;

/** What the type checker says of these documents as dashboards. */
function checked(...documents: readonly unknown[]): Promise<string> {
  return inFolder(async (folder) => {
    const files = documents.map((_, i) => `${folder}/${i}.ts`);
    await Promise.all(files.map((file, i) => {
      const text = JSON.stringify(documents[i], null, 1);
      return Deno.writeTextFile(file, `${types}export const one: OwnDashboard = ${text};\n`);
    }));
    const config = `${import.meta.dirname}/../../deno.json`;
    const line = [Deno.execPath(), "check", "-q", "--config", config, ...files];
    return (await outcomeOf(line, { env: { NO_COLOR: "1" } })).stderr;
  });
}

Deno.test("grafana-dashboard.json is a dashboard by Grafana's own types, which know a wrong one", async () => {
  const text = JSON.stringify(dashboard);
  const wrong = [
    ['"background"', '"bakcground"'],
    ['"absolute"', '"abslute"'],
    ['"gridPos":', '"added":1,"gridPos":'],
    ['"stepAfter"', '"stepafter"'],
    ['"expr":', '"exrp":'],
  ].map(([right, wrong]) => {
    assert.ok(text.includes(right), right);
    return JSON.parse(text.replace(right, wrong));
  });
  const said = await checked(dashboard, ...wrong);
  const faulty = new Set(Array.from(said.matchAll(/\/(\d+)\.ts:/g), ([, i]) => Number(i)));
  assert.deepEqual([...faulty].sort(), wrong.map((_, i) => i + 1), said);
});
