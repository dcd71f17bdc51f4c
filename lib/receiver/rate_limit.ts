/**
 * Lets at most `most` things through in any period of `periodMs`; the caller hands in the monotonic
 * time in ms. True: let it through.
 */
export function createRateLimit(most: number, periodMs: number): (now: number) => boolean {
  const passed: number[] = [];
  return (now) => {
    while (passed.length > 0 && now - passed[0] >= periodMs) passed.shift();
    if (passed.length >= most) return false;
    passed.push(now);
    return true;
  };
}
