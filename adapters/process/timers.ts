/** Calls back after `ms`; returns a function that cancels it. The `schedule` of services. */
export function after(callback: () => void, ms: number): () => void {
  if (ms <= 0) {
    // `setTimeout(0)` costs a timer and a millisecond; what is wanted is the end of the tick.
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  }
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
