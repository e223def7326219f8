/** Calls back after `ms`; answers how to call it off. The `schedule` of services. */
export function after(callback: () => void, ms: number): () => void {
  if (ms <= 0) {
    // `setTimeout(0)` costs a timer and a millisecond; the end of the tick is what is meant.
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  }
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
