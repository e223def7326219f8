/** A peak that is served by what there is, whether or not it suffices. */
export interface Peak {
  requestsPerSecond: number;
  seconds: number;
  /** Rate after the peak, while the backlog is worked off. */
  afterRequestsPerSecond: number;
  /** What the pools carry with everything busy. */
  servedPerSecond: number;
  tokensPerRequest: number;
}

export interface Backlog {
  /** Requests by which the queue grows each second of the peak; 0 when it keeps up. */
  growthPerSecond: number;
  requestsAtEnd: number;
  tokensAtEnd: number;
  /** Wait of a request that comes at the end of the peak, first come first served. */
  lastWaitSeconds: number;
  /**
   * Until the queue is empty after the peak; null when the rate afterwards is no less than what is served.
   */
  drainSeconds: number | null;
}

/**
 * What piles up during a peak, calculated as a fluid, in the mean; requests are accepted all the same and
 * wait durably.
 */
export function planBacklog(peak: Peak): Backlog {
  const growthPerSecond = Math.max(0, peak.requestsPerSecond - peak.servedPerSecond);
  const requestsAtEnd = growthPerSecond * peak.seconds;
  const spare = peak.servedPerSecond - peak.afterRequestsPerSecond;
  const drainSeconds = spare > 0 ? requestsAtEnd / spare : null;
  return {
    growthPerSecond,
    requestsAtEnd,
    tokensAtEnd: requestsAtEnd * peak.tokensPerRequest,
    lastWaitSeconds: requestsAtEnd / peak.servedPerSecond,
    drainSeconds: requestsAtEnd === 0 ? 0 : drainSeconds,
  };
}
