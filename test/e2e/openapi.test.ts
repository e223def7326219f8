import { test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { bringSchemathesis } from "../support/schemathesis.ts";
import { withStack } from "../support/stack/stack-tests.ts";

const RUN_SECONDS = Number(process.env["OPENAPI_SECONDS"] ?? 30);
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "positive_data_acceptance",
  "negative_data_rejection",
  "missing_required_header",
  "allow_header_conformance",
  "unsupported_method",
  "ignored_auth",
];

const schemathesis = await bringSchemathesis();

test.skipIf(schemathesis === undefined)(
  "the API answers made-up calls as its OpenAPI document says, and takes what it calls valid",
  () =>
    withStack({}, async (stack) => {
      const folder = await mkdtemp(join(tmpdir(), "tollgate-schemathesis-"));
      const { apiKey } = await stack.addUser();
      const child = Bun.spawn(
        [
          schemathesis ?? "",
          "--no-color",
          `--config-file=${join(import.meta.dir, "openapi.toml")}`,
          "run",
          `${stack.gateways[0]?.url}/openapi.json`,
          `--header=Authorization: Bearer ${apiKey}`,
          `--checks=${CHECKS.join(",")}`,
          "--phases=examples,coverage,fuzzing",
          `--max-time=${RUN_SECONDS}`,
          "--seed=7",
          "--continue-on-failure",
          "--request-timeout=60",
          "--generation-database=none",
        ],
        // It leaves notes in its working directory.
        { cwd: folder, stdout: "pipe", stderr: "ignore", timeout: 2 * RUN_SECONDS * 1_000 },
      );

      const said = await new Response(child.stdout).text();
      await rm(folder, { recursive: true });

      if ((await child.exited) !== 0) throw new Error(said.slice(-20_000));
    }),
  240_000,
);
