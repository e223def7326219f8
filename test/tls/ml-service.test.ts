/** An ML service that demands certificates, and whom it and we believe. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createInfer } from "../../adapters/ml/infer.ts";
import { createCertificates } from "../../adapters/tls/certificates.ts";
import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { type Authority, type Certificate, makeAuthority } from "../../local/tls/authority.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { ML_MODEL, ML_PAYLOAD } from "../support/ml-server.ts";

describe("an ML service with certificates", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-ml-tls-"));
  const infer = createInfer(() => undefined, createCertificates({ log: silentLog }));
  const services: { stop: (now: boolean) => Promise<void> }[] = [];
  let authority: Authority;
  let own: Certificate;
  beforeAll(async () => {
    authority = await makeAuthority(folder);
    own = await authority.issue({ name: "worker" });
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop(true)));
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts one with a certificate, which believes those of these authorities; returns its port. */
  function serve({ cert, key }: Certificate, believed = [authority.ca]): number {
    const choice = {
      index: 0,
      message: { role: "assistant", content: "hi" },
      finish_reason: "stop",
    };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const service = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        cert: readFileSync(cert, "utf8"),
        key: readFileSync(key, "utf8"),
        ca: believed.map((file) => readFileSync(file, "utf8")),
        requestCert: true,
        rejectUnauthorized: true,
      },
      fetch: () => Response.json({ choices: [choice], usage }),
    });
    services.push(service);
    return service.port ?? 0;
  }

  async function outcomeOf(
    port: number,
    tls: NonNullable<TlsConfig> | undefined,
    host = "localhost",
  ): Promise<string> {
    const url = `https://${host}:${port}/v1/chat/completions`;
    const config = { ...ML_MODEL, url, ...(tls && { tls }) };
    const outcome = await infer("m", config, ML_PAYLOAD, new AbortController().signal);
    return outcome.ok ? "it answered" : `${outcome.code} ${outcome.message}`;
  }

  test("is called with both sides' certificates checked", async () => {
    const port = serve(await authority.issue({ name: "right", hosts: ["localhost"] }));

    expect(await outcomeOf(port, { ca: authority.ca, ...own })).toBe("it answered");
  });

  test("is not believed by another authority's certificate, for another name, or past its end", async () => {
    const stranger = await makeAuthority(join(folder, "stranger"));
    const files = { ca: authority.ca, ...own };
    const wrong = [
      await stranger.issue({ name: "foreign", hosts: ["localhost"] }),
      await authority.issue({ name: "elsewhere", hosts: ["ml.example"] }),
      await authority.issue({ name: "late", hosts: ["localhost"], days: -1 }),
    ];

    for (const certificate of wrong)
      expect(await outcomeOf(serve(certificate), files)).toStartWith("UPSTREAM_UNREACHABLE");
  });

  test("answers nobody without a certificate of its authority", async () => {
    const port = serve(await authority.issue({ name: "strict", hosts: ["localhost"] }));
    const stranger = await makeAuthority(join(folder, "another"));
    const foreign = await stranger.issue({ name: "foreign" });

    for (const files of [{ ca: authority.ca }, { ca: authority.ca, ...foreign }])
      expect(await outcomeOf(port, files)).not.toBe("it answered");
  });

  test("is not called where our certificate is missing, and the reason names the file", async () => {
    const port = serve(await authority.issue({ name: "unread", hosts: ["localhost"] }));

    expect(await outcomeOf(port, { ca: "/nowhere/ca.pem" })).toBe(
      "UPSTREAM_REFUSED the worker has no certificate: tls.ca: cannot read /nowhere/ca.pem: ENOENT",
    );
  });

  test("is shown a renewed certificate, and no call fails meanwhile", async () => {
    const next = await makeAuthority(join(folder, "next"));
    const files = { cert: join(folder, "renewed.pem"), key: join(folder, "renewed.key") };
    const put = async (certificate: Certificate): Promise<void> => {
      await copyFile(certificate.key, files.key);
      await copyFile(certificate.cert, files.cert);
    };
    await put(own);
    const certificate = await authority.issue({ name: "busy", hosts: ["localhost"] });
    const busy = serve(certificate, [authority.ca, next.ca]);
    const strict = serve(certificate, [next.ca]);
    const shown = { ca: authority.ca, ...files };
    const over = new AbortController();
    const outcomes: string[] = [];
    const callers = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) outcomes.push(await outcomeOf(busy, shown));
    });
    const before = await outcomeOf(strict, shown);

    await put(await next.issue({ name: "worker" }));
    await untilTrue(
      "the new one is shown",
      20_000,
      async () => (await outcomeOf(strict, shown)) === "it answered",
    );
    over.abort();
    await Promise.all(callers);

    expect(before).not.toBe("it answered");
    expect(outcomes.filter((outcome) => outcome !== "it answered")).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(50);
  }, 60_000);
});
