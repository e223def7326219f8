import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeAuthority } from "../../local/tls/authority.ts";
import { silentLog } from "../../runtime/log.ts";
import { redisOptions } from "./redis.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-redis-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ofData = await makeAuthority(join(folder, "data"));
const ofSentinels = await makeAuthority(join(folder, "sentinels"), "Sentinels");

const sentinels = { nodes: ["one:26379"], name: "mymaster", plain: false };

test.each([
  ["as the data", "rediss://any", { ca: ofData.ca }, {}, true, ofData.ca],
  ["without files, as the data", "rediss://any", undefined, {}, true, undefined],
  [
    "by files of their own",
    "rediss://any",
    { ca: ofData.ca },
    { tls: { ca: ofSentinels.ca } },
    true,
    ofSentinels.ca,
  ],
  [
    "although the data is not",
    "redis://any",
    undefined,
    { tls: { ca: ofSentinels.ca } },
    true,
    ofSentinels.ca,
  ],
  ["not at all, as the data", "redis://any", undefined, {}, false, undefined],
  [
    "not at all, although the data is",
    "rediss://any",
    { ca: ofData.ca },
    { plain: true },
    false,
    ofData.ca,
  ],
])("what is said to Sentinels is encrypted %s", async (_how, url, tls, own, isEncrypted, ca) => {
  const redis = {
    url,
    command_timeout_ms: 1,
    ...(tls && { tls }),
    sentinels: { ...sentinels, ...own },
  };

  const options = await redisOptions({ redis }, "test", { log: silentLog });

  expect(options.sentinels?.isEncrypted).toBe(isEncrypted);
  expect(options.sentinels?.tls?.current().ca).toBe(ca && (await Bun.file(ca).text()));
  options.tls?.close();
  options.sentinels?.tls?.close();
});

test("a file of certificates that is missing is named at start", async () => {
  const redis = { url: "rediss://any", command_timeout_ms: 1, tls: { ca: "nowhere.pem" } };

  const error = await redisOptions({ redis }, "test", { log: silentLog }).catch(
    (thrown: unknown) => thrown,
  );

  expect(String(error)).toContain("tls.ca: cannot read nowhere.pem");
});
