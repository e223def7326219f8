import { join } from "node:path";

import type { SchemaBundle } from "./check-schema.ts";

/** The publishers' schemas as `vendor.ts` wrote them. */
export async function loadSchemas(): Promise<SchemaBundle> {
  const packed = await Bun.file(join(import.meta.dir, "schemas.json.gz")).bytes();
  return JSON.parse(new TextDecoder().decode(Bun.gunzipSync(packed))) as SchemaBundle;
}
