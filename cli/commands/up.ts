import type { Command } from "commander";

import type { UpOptions } from "../../local/up.ts";
import { requireCheckout } from "../checkout.ts";
import { findTrouble } from "../status/find-trouble.ts";
import { createDemoUser } from "../operator/create-demo-user.ts";

export function registerUp(program: Command): void {
  program
    .command("up")
    .description("start everything: servers, schema, simulator, gateway, worker, collector")
    .option("-d, --detach", "return once it works, and leave it running; writes .tollgate/up.json")
    .option("--tls", "encrypt everything, with certificates of an authority made here")
    .option("--observe", "start Prometheus as well, and Grafana where it is installed")
    .option("--json", "with --detach: print up.json on standard output, progress on standard error")
    .addHelpText(
      "after",
      `
Servers come from DATABASE_URL, REDIS_URL and AMQP_URL, else from Docker, else from programs on this
machine, else from Debian packages. TOLLGATE_SERVERS=url|docker|local forces one. Data: .tollgate/
Prometheus comes from PROMETHEUS_URL, else from this machine, else from the Debian package. Grafana reads the
database of DATABASE_URL by GRAFANA_DATABASE_URL, of a role that may read and no more.

It stays up when a model does not answer, and says so. Servers of this machine that end are started again.

Examples:
  ./tollgate up                              stay, with a live status line; Ctrl-C stops, data are kept
  ./tollgate up --detach                     return; ./tollgate down stops it
  ./tollgate up --tls                        every connection encrypted; files in .tollgate/tls
  ./tollgate up --observe                    with graphs of what it does
  TOLLGATE_GATEWAY__PORT=8081 ./tollgate up  another port
  key=$(./tollgate up --detach --json | jq -r .api_key)`,
    )
    .action(async (options: UpOptions) => {
      requireCheckout("up");
      const { up } = await import("../../local/up.ts");
      await up(options, { createDemoUser, findTrouble });
    });
}
