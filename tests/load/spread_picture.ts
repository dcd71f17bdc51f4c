/** The curve of acks heard over the number of hosts, as a picture. */

/** One curve. */
export interface SpreadCurve {
  readonly spread: string;
  readonly points: readonly { readonly hosts: number; readonly part: number }[];
}

const size = { width: 720, height: 400 } as const;
const plot = { left: 70, right: 560, top: 60, bottom: 340 } as const;
const colors = ["#cf222e", "#0969da"] as const;
const title = "Acks heard within 1 s of one broadcast";

function label(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${words}</text>`;
}

/** The SVG's text. Hosts on a logarithmic axis, acks within a second in percent. */
export function spreadPicture(curves: readonly SpreadCurve[]): string {
  const { left, right, top, bottom } = plot;
  const hosts = curves[0].points.map((point) => point.hosts);
  const [low, high] = [Math.log10(Math.min(...hosts)), Math.log10(Math.max(...hosts))];
  const x = (count: number) => left + (Math.log10(count) - low) / (high - low) * (right - left);
  const y = (part: number) => bottom - part * (bottom - top);
  const parts = [
    label(left, 30, title, 'font-size="17" font-weight="600"'),
    label((left + right) / 2, 385, "hosts that answer", 'text-anchor="middle"'),
    ...[0, 0.25, 0.5, 0.75, 1].map((part) =>
      `<path d="M${left} ${y(part)}H${right}" stroke="#d0d7de"/>` +
      label(left - 8, y(part) + 4, `${part * 100}%`, 'text-anchor="end"')
    ),
    ...hosts.map((count) =>
      label(x(count), bottom + 22, count.toLocaleString("en-US"), 'text-anchor="middle"')
    ),
    ...curves.map(({ spread, points }, i) => {
      const places = points.map((point) =>
        `${x(point.hosts).toFixed(1)} ${y(point.part).toFixed(1)}`
      );
      const last = points[points.length - 1];
      const dots = places.map((place) => `M${place}h0`).join("");
      return `<path d="M${places.join("L")}" fill="none" stroke="${
        colors[i]
      }" stroke-width="2.5"/>` +
        `<path d="${dots}" stroke="${colors[i]}" stroke-width="9" stroke-linecap="round"/>` +
        label(x(last.hosts) + 12, y(last.part) + 5, `--spread ${spread}`, `fill="${colors[i]}"`);
    }),
  ];
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" ` +
    `width="${size.width}" height="${size.height}" role="img" font-size="13" fill="#1f2328" ` +
    `font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"><title>${title}</title>`;
  const background = `<path d="M0 0H${size.width}V${size.height}H0Z" fill="#ffffff"/>`;
  return [head, background, ...parts, "</svg>", ""].join("\n");
}
