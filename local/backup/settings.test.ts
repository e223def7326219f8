import { expect, test } from "bun:test";

import { configText } from "./config-text.ts";
import { type BackupSettings, mergeSettings, repositoryText } from "./settings.ts";

const DEFAULT = "/state/backups";
const S3_WISH = {
  repository: "s3://bucket/some/path",
  s3Endpoint: "https://s3.example.com",
  s3Region: "eu-1",
  s3Key: "access",
  s3Secret: "secret-7d1",
};
const FOLDERS = { dataFolder: "/state/data", folder: "/state/backup" };

test("backups go to a directory beside the data unless another place is named, which is remembered", () => {
  const first = mergeSettings({}, undefined, DEFAULT);
  const moved = mergeSettings({ repository: "/mnt/disk", keep: "5" }, first, DEFAULT);

  expect(first).toEqual({
    stanza: "tollgate",
    keep: 2,
    repository: { kind: "directory", path: DEFAULT },
  });
  expect(mergeSettings({}, moved, DEFAULT)).toEqual(moved);
  expect(moved).toMatchObject({ keep: 5, repository: { path: "/mnt/disk" } });
});

test("a store is remembered with its keys, which can be changed alone", () => {
  const store = mergeSettings(S3_WISH, undefined, DEFAULT);
  const renewed = mergeSettings({ s3Key: "new", s3Secret: "new-secret" }, store, DEFAULT);

  expect(store.repository).toEqual({
    kind: "s3",
    bucket: "bucket",
    path: "/some/path",
    endpoint: "s3.example.com",
    region: "eu-1",
    isPathStyle: false,
    key: "access",
    secret: "secret-7d1",
  });
  expect(renewed.repository).toMatchObject({ path: "/some/path", secret: "new-secret" });
});

test("what a store lacks is said all at once", () => {
  const merge = (): BackupSettings =>
    mergeSettings({ repository: "s3://bucket/" }, undefined, DEFAULT);

  expect(merge).toThrow(
    "also needs --s3-endpoint, --s3-region, the variable TOLLGATE_BACKUP_S3_KEY, " +
      "the variable TOLLGATE_BACKUP_S3_SECRET",
  );
});

test.each([
  [{ repository: "backups" }, "--repository backups"],
  [{ stanza: "a b" }, "--stanza a b"],
  [{ keep: "0" }, "--keep 0"],
  [{ keep: "two" }, "--keep two"],
])("a wish that makes no sense is refused: %p", (wish, message) => {
  expect(() => mergeSettings(wish, undefined, DEFAULT)).toThrow(message);
});

test("the file of pgBackRest has the store with its secret, and what is shown of it has none", () => {
  const settings = mergeSettings(S3_WISH, undefined, DEFAULT);

  const text = configText(settings, FOLDERS);

  expect(text).toContain("repo1-type=s3\n");
  expect(text).toContain("repo1-s3-key-secret=secret-7d1\n");
  expect(text).toContain("[tollgate]\npg1-path=/state/data\n");
  expect(repositoryText(settings.repository)).toBe("s3://bucket/some/path at s3.example.com");
});
