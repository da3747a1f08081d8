/**
 * Linear warm-up to `peak` over the first `warmup` of the run, then half a cosine down to 0 at its end.
 *
 * @param done how much of the run is done, 0 to 1, as `warmup`
 */
export function learningRate(done: number, warmup: number, peak: number): number {
  if (done < warmup) return (peak * done) / warmup;
  const progress = (done - warmup) / (1 - warmup);
  return peak * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)));
}
