/** What the pictures in docs/ are drawn with. */

type Attributes = Readonly<Record<string, string | number>>;
export const centered = { "text-anchor": "middle" };

/** An element; numbers are pixels, rounded to a tenth. `inside` is SVG. */
export function element(name: string, attributes: Attributes, inside = ""): string {
  const list = Object.entries(attributes).map(([key, value]) =>
    ` ${key}="${typeof value === "number" ? Math.round(value * 10) / 10 : value}"`
  ).join("");
  return inside === "" ? `<${name}${list}/>` : `<${name}${list}>${inside}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return element("text", { x, y, ...attributes }, escaped);
}

export function box(x: number, y: number, to: number, fill: string, height: number): string {
  return element("rect", { x, y, width: to - x, height, fill, rx: 3 });
}

export function vertical(x: number, from: number, to: number, attributes: Attributes): string {
  return element("line", { x1: x, y1: from, x2: x, y2: to, ...attributes });
}

/** A file of SVG; `parts` are drawn one over the other. */
export function svgDocument(width: number, height: number, parts: readonly string[]): string {
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "font-family": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif",
    "font-size": 13,
    fill: "#1f2328",
  };
  return element("svg", attributes, `\n${parts.join("\n")}\n`) + "\n";
}
