import { expect, test } from "bun:test";
import fc from "fast-check";

import { findDuplicateMember } from "./duplicate-member.ts";

const find = (text: string): string | undefined => findDuplicateMember(text, JSON.parse(text));

test.each([
  [`{"a":1,"a":1}`, "/a"],
  [`{"a":1,"\\u0061":2}`, "/a"],
  [
    `{"messages":[{"role":"user"},{"role":"user","content":"x","role":"system"}]}`,
    "/messages/1/role",
  ],
  [`{"a":{"b/c":[[],[{"~":0 , "~" : {"deep":":"}}]]}}`, "/a/b~1c/1/0/~0"],
  [`[{"":1},{"":1,"":2}]`, "/1/"],
  [`{"__proto__":1,"__proto__":2}`, "/__proto__"],
  [`{"a":{"x":1},"b":2,"a":{"x":1}}`, "/a"],
])("of %s the second %s is found", (text, pointer) => {
  expect(find(text)).toBe(pointer);
});

test.each([
  `{"a":{"a":{"a":[]}},"b":[{"a":1},{"a":2}]}`,
  `{"a":"\\":{\\"a\\":1,\\"a\\":2}\\\\","b":":\\\\\\":"}`,
  `"a:\\"b:"`,
  "[]",
  "1",
  `{"toString":1,"constructor":":"}`,
])("%s has none", (text) => {
  expect(find(text)).toBeUndefined();
});

test("whatever is written, nothing is found in it, and what is put in twice is", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (value) => {
      const text = JSON.stringify(value);
      expect(find(text)).toBeUndefined();
      const [name] = Object.keys(JSON.parse(text) as object);
      const twice = `${text.slice(0, -1)},${JSON.stringify(name)}:[":"]}`;
      expect(find(twice)).toBe(`/${name?.replaceAll("~", "~0").replaceAll("/", "~1")}`);
    }),
  );
});

test("a megabyte of quotes and escapes takes no longer than in proportion", () => {
  const ms = (text: string): number => {
    const value: unknown = JSON.parse(text);
    const startedMs = performance.now();
    expect(findDuplicateMember(text, value)).toBeUndefined();
    return performance.now() - startedMs;
  };
  const half = (times: number): string[] => [
    `{"a":[${Array.from({ length: times }, () => '"x"').join()}],"b":1}`,
    JSON.stringify({ a: '\\"'.repeat(times), b: ":" }),
    JSON.stringify({ a: "\\".repeat(times) }),
  ];

  // Where each quote looked for the next colon, or each backslash for the one before, it would take seconds.
  for (const text of half(250_000)) expect(ms(text)).toBeLessThan(1_000);
});
