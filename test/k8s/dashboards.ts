import { readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dir, "../../k8s/base/monitoring/dashboards");

export interface Target {
  expr?: string;
  rawSql?: string;
  legendFormat?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
}

export interface Dashboard {
  uid: string;
  title: string;
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string; type: string; query: unknown }[] };
}

export const dashboards: { file: string; dashboard: Dashboard }[] = await Promise.all(
  readdirSync(FOLDER)
    .sort()
    .map(async (file) => ({
      file,
      dashboard: (await Bun.file(join(FOLDER, file)).json()) as Dashboard,
    })),
);

export interface PanelQuery {
  dashboard: string;
  panel: string;
  query: string;
}

const queries = (pick: (target: Target) => string | undefined): PanelQuery[] =>
  dashboards.flatMap(({ dashboard }) =>
    dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.flatMap((target) => {
        const query = pick(target);
        return query === undefined ? [] : [{ dashboard: dashboard.title, panel: title, query }];
      }),
    ),
  );

export const promqlQueries = queries(({ expr }) => expr);
export const sqlQueries = queries(({ rawSql }) => rawSql);

/** The value of a constant variable. */
export function constant(name: string): string {
  for (const { dashboard } of dashboards) {
    const found = dashboard.templating.list.find((variable) => variable.name === name);
    if (typeof found?.query === "string") return found.query;
  }
  throw new Error(`no dashboard has a variable ${name}`);
}
