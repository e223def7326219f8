import { describe, expect, test } from "bun:test";
import { homedir } from "node:os";
import { join } from "node:path";

import { cacheFolder, cacheKey } from "./cache.ts";

describe("the cache", () => {
  test("is where TOLLGATE_CACHE says, before where other caches are", () => {
    const env = { TOLLGATE_CACHE: "/own", XDG_CACHE_HOME: "/shared" };

    expect(cacheFolder(env)).toBe("/own");
    expect(cacheFolder({ ...env, TOLLGATE_CACHE: "" })).toBe("/shared/tollgate");
  });

  test("is in the home where nothing says so, or only a relative path does", () => {
    const home = join(homedir(), ".cache/tollgate");

    expect(cacheFolder({})).toBe(home);
    expect(cacheFolder({ XDG_CACHE_HOME: "caches" })).toBe(home);
  });

  test("keeps what is made of other inputs in another folder", () => {
    const keys = [["a", "b"], ["ab"], ["a", "c"]].map((inputs) => cacheKey("etcd-3", inputs));

    expect(new Set(keys).size).toBe(3);
    expect(cacheKey("etcd-3", ["a", "b"])).toBe(keys[0] ?? "");
    expect(keys[0]).toMatch(/^etcd-3-[0-9a-f]{12}$/);
  });
});
