import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeAuthority } from "../../local/tls/authority.ts";
import { recordMetrics } from "../../test/support/metrics.ts";
import { silentLog } from "../../runtime/log.ts";
import { openTlsFiles } from "./tls-files.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-tls-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const authority = await makeAuthority(folder);
const first = await authority.issue({ name: "first", hosts: ["localhost"], days: 30 });
const second = await authority.issue({ name: "second", hosts: ["localhost"], days: 60 });
const options = { log: silentLog, name: "test" };
const DAY_MS = 86_400_000;

describe("certificates", () => {
  test("are read, and the day on which the first one ends is known", async () => {
    const { metrics, value } = recordMetrics();
    const files = await openTlsFiles({ ca: authority.ca, ...first }, { ...options, metrics });

    const { ca, cert, key, minVersion } = files.current();
    expect([ca, cert]).toEqual([
      readFileSync(authority.ca, "utf8"),
      readFileSync(first.cert, "utf8"),
    ]);
    expect(key).toContain("PRIVATE KEY");
    expect(minVersion).toBe("TLSv1.2");
    const days = ((files.expiresAtMs() ?? 0) - Date.now()) / DAY_MS;
    expect(days).toBeGreaterThan(29);
    expect(days).toBeLessThan(31);
    expect(value("certificate_expires_timestamp_seconds", "test")).toBe(
      (files.expiresAtMs() ?? 0) / 1_000,
    );
    files.close();
  });

  test("that were renewed are what the next connection gets", async () => {
    const own = { cert: join(folder, "own.pem"), key: join(folder, "own.key") };
    const copy = async ({ cert, key }: typeof own): Promise<void> => {
      await copyFile(key, own.key);
      await copyFile(cert, own.cert);
    };
    await copy(first);
    const files = await openTlsFiles(own, { ...options, lookMs: 10 });
    const before = files.current().cert;
    const renewed = Promise.withResolvers<string | undefined>();
    files.onRenewed(({ cert }) => renewed.resolve(cert));

    await copy(second);

    expect(await renewed.promise).not.toBe(before);
    expect(files.current().cert).toBe(await renewed.promise);
    files.close();
  });

  test("that do not fit together are not taken", async () => {
    const own = { cert: join(folder, "half.pem"), key: join(folder, "half.key") };
    await copyFile(first.cert, own.cert);
    await copyFile(first.key, own.key);
    const said = Promise.withResolvers<unknown>();
    const log = { ...silentLog, error: (fields: object) => said.resolve(fields) };
    const files = await openTlsFiles(own, { log, name: "test", lookMs: 10 });
    const before = files.current();

    await copyFile(second.cert, own.cert);

    expect(await said.promise).toMatchObject({
      error: expect.stringContaining("is not the key of"),
    });
    expect(files.current()).toEqual(before);
    files.close();
  });

  const broken = join(folder, "broken.pem");
  writeFileSync(broken, "nothing");
  test.each([
    [{ ca: "/nowhere/ca.pem" }, "tls.ca: cannot read /nowhere/ca.pem: ENOENT"],
    [{ ca: broken }, `tls.ca: ${broken} has no certificate`],
    [{ cert: first.cert }, "tls: `cert` and `key` go together"],
    [
      { cert: first.cert, key: second.key },
      `tls.key: ${second.key} is not the key of ${first.cert}`,
    ],
    [
      { cert: first.cert, key: broken },
      `tls.key: ${broken} is no private key, or needs a password`,
    ],
  ])("that cannot be used are refused by name: %p", async (files, message) => {
    const refusal = await openTlsFiles(files, options).catch((error: Error) => error.message);

    expect(refusal).toBe(message);
  });
});
