/** The programs' icon: white, two half circles of arrows on a blue square, drawn for each size. */

/** Pixels of a side, as Explorer, the task manager and services.msc want them. */
export const iconSizes = [16, 24, 32, 48, 64] as const;

const blue = [0x00, 0x72, 0xb2] as const;
const white = [0xff, 0xff, 0xff] as const;
/** Points looked at in each pixel, along each side. */
const samples = 4;

/** The color at a point of the unit square, null outside of the shape. */
function colorAt(x: number, y: number): typeof blue | typeof white | null {
  const corner = 0.18;
  const [dx, dy] = [x, y].map((v) => Math.max(0, Math.abs(v - 0.5) - 0.48 + corner));
  if (Math.hypot(dx, dy) > corner) return null;
  // Both arrows are one, turned by half a circle.
  const [u, v] = y < 0.5 ? [x - 0.5, y - 0.5] : [0.5 - x, 0.5 - y];
  const radius = Math.hypot(u, v);
  const isArc = Math.abs(radius - 0.27) < 0.055 && u < 0.18 && v < -0.03;
  const along = v + 0.24;
  const isHead = along > 0 && along < 0.22 && Math.abs(u - 0.26) < 0.16 * (1 - along / 0.22);
  return isArc || isHead ? white : blue;
}

/** A picture of this size as icons hold it: BITMAPINFOHEADER, BGRA from the lowest line up, a mask. */
export function drawIcon(size: number): Uint8Array<ArrayBuffer> {
  const headerLength = 40;
  const maskLength = 4 * Math.ceil(size / 32) * size;
  const bytes = new Uint8Array(headerLength + 4 * size * size + maskLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, headerLength, true);
  view.setInt32(4, size, true);
  // Picture and mask.
  view.setInt32(8, 2 * size, true);
  view.setUint16(12, 1, true);
  view.setUint16(14, 32, true);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      bytes.set(
        pixelOf(column, row, size),
        headerLength + 4 * ((size - 1 - row) * size + column),
      );
    }
  }
  return bytes;
}

/** Blue, green, red and opacity of a pixel: the mean of its points. */
function pixelOf(column: number, row: number, size: number): number[] {
  let sum = [0, 0, 0];
  let inside = 0;
  for (let i = 0; i < samples * samples; i++) {
    const color = colorAt(
      (column + (i % samples + 0.5) / samples) / size,
      (row + (Math.floor(i / samples) + 0.5) / samples) / size,
    );
    if (color === null) continue;
    inside++;
    sum = sum.map((value, channel) => value + color[2 - channel]);
  }
  if (inside === 0) return [0, 0, 0, 0];
  return [...sum.map((value) => value / inside), 255 * inside / samples ** 2].map(Math.round);
}
