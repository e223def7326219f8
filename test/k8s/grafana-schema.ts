import type {
  Dashboard as SchemaDashboard,
  FieldConfigSource,
  Panel as SchemaPanel,
  RowPanel,
  VariableModel,
} from "@grafana/schema";
import type * as BarGauge from "@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts";
import type * as Stat from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as Table from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as TimeSeries from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

/**
 * What the JSON of a dashboard may be, from Grafana's own types at the version of docker/compose.yaml. Those
 * types have enums where the JSON has values, and demand what Grafana fills in; `Json` is what a file may
 * contain.
 */
type Json<T> = T extends string
  ? `${T}`
  : T extends number
    ? number extends T
      ? number
      : `${T}` extends `${infer Value extends number}`
        ? Value
        : never
    : T extends readonly (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { [Key in keyof T]?: Json<T[Key]> }
        : T;

interface Kind<Options, Custom> {
  options: Options;
  custom: Custom;
}

/** The kinds of panels in use. */
interface Kinds {
  bargauge: Kind<BarGauge.Options, Record<string, never>>;
  stat: Kind<Stat.Options, Record<string, never>>;
  table: Kind<Table.Options, Table.FieldConfig>;
  timeseries: Kind<TimeSeries.Options, TimeSeries.FieldConfig>;
}

export const PANEL_KINDS = [
  "bargauge",
  "stat",
  "table",
  "timeseries",
] as const satisfies (keyof Kinds)[];

interface DataSource<Type extends string> {
  type: Type;
  uid: string;
}

/** Each data source defines its own; these are the fields that Prometheus's and PostgreSQL's read. */
type Target =
  | {
      refId: string;
      datasource: DataSource<"prometheus">;
      editorMode?: "code" | "builder";
      expr: string;
      legendFormat?: string;
      instant?: boolean;
      range?: boolean;
      format?: "time_series" | "table" | "heatmap";
      interval?: string;
      exemplar?: boolean;
    }
  | {
      refId: string;
      datasource: DataSource<"grafana-postgresql-datasource">;
      editorMode?: "code" | "builder";
      rawQuery: true;
      rawSql: string;
      format: "time_series" | "table";
    };

type FieldDefaults<Custom> = Json<Omit<FieldConfigSource["defaults"], "custom">> & {
  custom?: Json<Custom>;
};

/**
 * A panel of one kind, with its own options and none of another kind's.
 *
 * @public in the program that grafana.test.ts compiles
 */
export type PanelOf<Name extends keyof Kinds> = Json<
  Omit<SchemaPanel, "type" | "id" | "title" | "gridPos" | "options" | "fieldConfig" | "targets">
> & {
  type: Name;
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  options?: Json<Kinds[Name]["options"]>;
  fieldConfig: {
    defaults: FieldDefaults<Kinds[Name]["custom"]>;
    overrides: Json<FieldConfigSource["overrides"]>;
  };
  targets: Target[];
};

/** @public as above */
export type Row = Json<RowPanel> & { id: number; type: "row"; title: string };

/**
 * A dashboard without its panels.
 *
 * @public as above
 */
export type Frame = Json<Omit<SchemaDashboard, "panels" | "templating" | "schemaVersion">> & {
  uid: string;
  title: string;
  schemaVersion: number;
  templating: { list: (Json<VariableModel> & { name: string; type: string })[] };
};
