import { type TSchema, TypeGuard } from "@sinclair/typebox";

import { ConfigSchema } from "../../core/config/schema.ts";
import { FAULTS, type FaultSpec } from "../../core/faults.ts";
import { METRICS, type MetricSpec } from "../../core/metrics.ts";

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Every fault a caller may see, as in core/faults.ts. */
export function faultsTable(): string {
  const rows = Object.entries(FAULTS as Record<string, FaultSpec>).map(([code, fault]) => [
    `\`${code}\``,
    String(fault.status),
    fault.domain,
    fault.retryable ? "yes" : "no",
    fault.title,
  ]);
  return table(["code", "status", "domain", "retryable", "meaning"], rows);
}

/** Every metric, as in core/metrics.ts. */
export function metricsTable(): string {
  const rows = Object.entries(METRICS as Record<string, MetricSpec>).map(([name, metric]) => [
    `\`${name}\``,
    metric.type,
    metric.labels.join(", "),
    metric.roles.join(", "),
    metric.help,
  ]);
  return table(["metric", "type", "labels", "exported by", "meaning"], rows);
}

function typeOf(schema: TSchema): string {
  if (TypeGuard.IsUnion(schema)) return schema.anyOf.map(typeOf).join(" or ");
  if (TypeGuard.IsLiteral(schema)) return `\`${String(schema.const)}\``;
  if (TypeGuard.IsArray(schema)) return `list of ${typeOf(schema.items)}`;
  if (TypeGuard.IsRecord(schema)) return "map";
  if (!TypeGuard.IsInteger(schema)) return String(schema["type"]);
  const { minimum, maximum } = schema;
  const least = minimum === undefined ? "" : ` ≥ ${minimum}`;
  const most = maximum === undefined ? "" : `, ≤ ${maximum}`;
  return `integer${least}${most}`;
}

function configRows(schema: TSchema, path: string, rows: string[][]): void {
  if (TypeGuard.IsRecord(schema)) {
    const [values] = Object.values(schema.patternProperties);
    if (values !== undefined && TypeGuard.IsObject(values)) {
      configRows(values, `${path}.<name>`, rows);
      return;
    }
  }
  if (TypeGuard.IsObject(schema)) {
    for (const [key, value] of Object.entries(schema.properties))
      configRows(value, path === "" ? key : `${path}.${key}`, rows);
    return;
  }
  const fallback = schema.default === undefined ? "" : `\`${JSON.stringify(schema.default)}\``;
  rows.push([`\`${path}\``, typeOf(schema), fallback, schema.description ?? ""]);
}

/** Every key of `tollgate.yaml`, as in core/config/schema.ts. */
export function configurationTable(): string {
  const rows: string[][] = [];
  configRows(ConfigSchema, "", rows);
  return table(["key", "type", "default", "meaning"], rows);
}
