/** Pieces of an SVG picture as text. Coordinates in pixels, rounded to a tenth. */

/** What an attribute may be set to. */
export type Attributes = Readonly<Record<string, string | number>>;

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** An element with what is inside it, which is SVG already. */
export function element(name: string, attributes: Attributes, inside = ""): string {
  const list = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 10) / 10) : escape(value);
    return ` ${key}="${text}"`;
  }).join("");
  return inside === "" ? `<${name}${list}/>` : `<${name}${list}>${inside}</${name}>`;
}

/** A line of text; its attributes set size, weight and anchor where they aren't the picture's own. */
export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escape(content));
}

/** A straight line. */
export function line(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  attributes: Attributes,
): string {
  return element("line", { x1, y1, x2, y2, ...attributes });
}

/** A rectangle. */
export function box(
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: Attributes,
): string {
  return element("rect", { x, y, width, height, ...attributes });
}

/** A dot. */
export function dot(cx: number, cy: number, r: number, fill: string): string {
  return element("circle", { cx, cy, r, fill });
}

/** A small ring. */
export function ring(cx: number, cy: number, stroke: string): string {
  return element("circle", { cx, cy, r: 3.2, fill: "#ffffff", stroke, "stroke-width": 1.8 });
}

/** Maps `from` linearly to pixels. */
export function scale(
  [from, to]: readonly [number, number],
  [left, right]: readonly [number, number],
): (value: number) => number {
  return (value) => left + (value - from) / (to - from) * (right - left);
}

/** A whole picture on its own background, so that it is readable on a page of any color. */
export function picture(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
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
  const background = box(0, 0, width, height, { fill: "#ffffff" });
  const inside = [element("title", {}, escape(title)), background, ...parts];
  return element("svg", attributes, `\n${inside.join("\n")}\n`) + "\n";
}
