import { expect, test } from "bun:test";

import { foldEmail, isEmail } from "./email.ts";

test("addresses of people, programs and other scripts are emails", () => {
  for (const email of [
    "ada@example.org",
    "o'brien+tag.x_y-z@mail.example.co.uk",
    "ci@localhost",
    "ünï@bücher.example",
    "用户@例子.世界",
    "a@b.c",
    "u\u0308@example.org",
  ])
    expect([email, isEmail(email)]).toEqual([email, true]);
});

test("what is no address, or more than one, is no email", () => {
  for (const text of [
    "",
    "ada",
    "@example.org",
    "ada@",
    "x@y.z,evil",
    "x@y.z;w@y.z",
    "a@b@c",
    "a b@example.org",
    "a@exa mple.org",
    "ada@example.org ",
    "ada@example.org\n",
    "ada\u0000@example.org",
    "ada\u001B[8m@example.org",
    "ada\u202E@example.org",
    "ada\u200B@example.org",
    "ada@exa\u00ADmple.org",
    "ada\u2028@example.org",
    "<ada@example.org>",
    '"ada"@example.org',
    "ada@[127.0.0.1]",
    ".ada@example.org",
    "ada.@example.org",
    "a..b@example.org",
    "ada@example..org",
    "ada@.org",
    "ada@example.org.",
    "ada@-example.org",
    "ada@example-.org",
    `${"a".repeat(320)}@b.c`,
  ])
    expect([text, isEmail(text)]).toEqual([text, false]);
});

test("spellings of one email fold to the same, whatever case or composition", () => {
  const same = [
    ["Ada@Example.ORG", "ada@example.org"],
    ["ünï@x.org", "ÜNÏ@X.ORG", "u\u0308ni\u0308@x.org"],
    ["straße@x.org", "STRASSE@x.org", "STRAẞE@x.org"],
    ["σας@x.org", "ΣΑΣ@x.org", "σασ@x.org"],
    ["\u212Bsa@x.org", "åsa@x.org"],
  ];

  for (const spellings of same) expect(new Set(spellings.map(foldEmail)).size).toBe(1);
});

test("different emails stay different", () => {
  const different = ["ini@x.org", "ını@x.org", "ïnï@x.org", "ini@x.com"];

  expect(new Set(different.map(foldEmail)).size).toBe(different.length);
});
