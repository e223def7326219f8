/** Where a line of a log may hold its time; what comes later is content. */
const HEAD_CHARS = 200;
/** ISO 8601, as our components, PostgreSQL, RabbitMQ, Prometheus and Grafana write it. */
const ISO = /(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?/;
/** As Redis writes it, in the time zone of the machine. */
const REDIS = /\b(\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d)\.(\d+)/;

/** When a line of a log says that it was written, Unix milliseconds; undefined when it does not say. */
export function lineTimeMs(line: string): number | undefined {
  const head = line.slice(0, HEAD_CHARS);
  const [iso, day, time, fraction, zone = ""] = ISO.exec(head) ?? [];
  if (iso !== undefined)
    return instant(`${day}T${time}${/[A-Z]/.test(zone) ? "Z" : zone}`, fraction);
  const [redis, instantText = "", digits] = REDIS.exec(head) ?? [];
  return redis === undefined ? undefined : instant(instantText, digits);
}

function instant(wholeSeconds: string, fraction = "0"): number | undefined {
  const ms = Date.parse(wholeSeconds) + Number(`0.${fraction}`) * 1_000;
  return Number.isNaN(ms) ? undefined : ms;
}
