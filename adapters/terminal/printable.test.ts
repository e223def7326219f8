import { expect, test } from "bun:test";

import { printable, printableText } from "./printable.ts";
import { formatTable } from "./table.ts";

test.each([
  ["a newline", "a\nb", "a\\u000ab"],
  ["an escape sequence", "\u001B[2Jx", "\\u001b[2Jx"],
  ["the one-byte form of one", "\u009B2Jx", "\\u009b2Jx"],
  ["a mark that turns the text around", "txt.\u202Eexe", "txt.\\u202eexe"],
  ["an isolate", "\u2066a\u2069", "\\u2066a\\u2069"],
  ["half a character", "\uD800x", "\\ud800x"],
  ["an invisible tag", "a\u{E0041}", "a\\udb40\\udc41"],
])("%s never reaches a terminal as it is", (_name, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("what people write with is shown as it is", () => {
  const names = ["Ünï Žižek", "山田 太郎", "می‌خواهم", "👩‍🚀", "O'Brien"];

  expect(names.map(printable)).toEqual(names);
});

test("text keeps its lines and tabs, and nothing else that a terminal obeys", () => {
  expect(printableText("a\n\tb\r\u001B[0m")).toBe("a\n\tb\\u000d\\u001b[0m");
});

test("a newline in a cell forges no row of a table", () => {
  const table = formatTable(["NAME", "EMAIL"], [["Eve\n0198  Root", "e@x.org\u001B[8m"]]);

  expect(table.split("\n")).toHaveLength(2);
  expect(table).not.toContain("\u001B");
});
