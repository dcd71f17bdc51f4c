/** An Ethernet address (6 bytes) as `02:00:00:00:00:01`. */
export function formatLinkLayerAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * An Ethernet address from `02:00:00:00:00:01` or `02-00-00-00-00-01`, either case; null for
 * anything else, longer link-layer addresses included.
 */
export function parseLinkLayerAddress(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return null;
  return Uint8Array.from(text.split(/[:-]/), (digits) => parseInt(digits, 16));
}
