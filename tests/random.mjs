// numbers that a seed repeats (mulberry32): seeded(s)(n) is one of 0 .. n - 1. The seed is printed, so that a run that failed can be had again.
export function seeded(seed) {
  console.log(`# seed ${seed}`);
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}
