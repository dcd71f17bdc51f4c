/** The metrics of two real routers, and what the dashboard makes of them. */
import assert from "node:assert/strict";
import dashboard from "../../packaging/grafana-dashboard.json" with { type: "json" };
import { hasPromtool } from "../unit/metrics/samples.ts";
import { pageText } from "./page_commands.ts";
import { answersIn, dashboardPicture } from "./dashboard.ts";
import { playScene } from "./dashboard_scene.ts";

const titles = dashboard.panels.map(({ title }) => title);

Deno.test(
  "a stuck host and a missing one are on the dashboard by what keepalived's scripts wrote",
  {
    ignore: !hasPromtool,
  },
  async () => {
    const scene = await playScene();
    assert.deepEqual(scene.faults, []);
    const answers = await answersIn(scene);
    const last = (title: string) => answers[titles.indexOf(title)].at(-1) ?? [];
    const number = (title: string) => last(title).map(({ value }) => value);
    assert.deepEqual(number("Stuck hosts"), [1]);
    assert.deepEqual(number("Not good in the last drill"), [2]);
    assert.deepEqual(answers[titles.indexOf("Stuck hosts")][5].map(({ value }) => value), [0]);
    const [{ labels: { host, address, instance } }] = last("Who is stuck where");
    assert.deepEqual([host, address, instance], ["db1", "192.0.2.254", "r2"]);
    const counts = (title: string) =>
      Object.fromEntries(last(title).map(({ labels: { verdict }, value }) => [verdict, value]));
    // r1's own, when nobody was stuck, are in there.
    assert.deepEqual(counts("Hosts in the last failover"), { healed: 9, stuck: 1 });
    assert.deepEqual(counts("Hosts in the last drill"), { alive: 8, missing: 1, stuck: 1 });
    for (const title of ["Since the last drill", "Since the last failover"]) {
      assert.ok(number(title)[0] > 2 && number(title)[0] < 60, `${title} ${number(title)}`);
    }
    assert.match(dashboardPicture(answers), /^<svg .*>db1<.*<\/svg>\n$/s);
  },
);

Deno.test("docs/dashboard.svg is the picture of today's dashboard", async () => {
  const picture = await pageText("docs/dashboard.svg");
  for (const title of titles) assert.ok(picture.includes(`>${title}</text>`), title);
});
