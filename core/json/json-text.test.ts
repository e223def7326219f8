import { describe, expect, test } from "bun:test";

import { canonicalText } from "./canonical-text.ts";
import { itemsOf, JsonText, memberOf, membersOf, writeJson } from "./json-text.ts";

const BODY = [
  String.raw` { "a" : 12345678901234567890 , "b\"}":[1.0,{"2":1,"1":"]\\"}, "x" ] ,`,
  String.raw`"c":{},"d": [ ] ,"e":"\\\"","f":null,"a":-0 } `,
].join("");

describe("a JSON text", () => {
  test("is cut into members as they were written", () => {
    const members = membersOf(new JsonText(BODY)).map(([name, { text }]) => [name, text]);

    expect(members).toEqual([
      ["a", "12345678901234567890"],
      ['b"}', String.raw`[1.0,{"2":1,"1":"]\\"}, "x" ]`],
      ["c", "{}"],
      ["d", "[ ]"],
      ["e", String.raw`"\\\""`],
      ["f", "null"],
      ["a", "-0"],
    ]);
  });

  test("is cut into items as they were written", () => {
    const items = itemsOf(new JsonText(`[ 1.0 , "a,]" ,[1,[2]], {"b":[]},true ]`));

    expect(items.map(({ text }) => text)).toEqual(["1.0", '"a,]"', "[1,[2]]", '{"b":[]}', "true"]);
    expect(itemsOf(new JsonText(" [ ] "))).toEqual([]);
    expect(itemsOf(new JsonText("{}"))).toEqual([]);
    expect(membersOf(new JsonText("[]"))).toEqual([]);
  });

  test("gives the member that JSON.parse would take", () => {
    expect(memberOf(new JsonText(BODY), "a")?.text).toBe("-0");
    expect(memberOf(new JsonText(BODY), "z")).toBeUndefined();
  });

  test("is written as it was, within values of ours", () => {
    const raw = new JsonText('{"2":1.0,"1":2}');

    expect(writeJson({ raw, list: [raw, "x", undefined, null], none: undefined, n: 1 })).toBe(
      '{"raw":{"2":1.0,"1":2},"list":[{"2":1.0,"1":2},"x",null,null],"n":1}',
    );
  });

  test("agrees with JSON.parse about what was written at random", () => {
    let state = 7;
    const random = (max: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % max;
    };
    const make = (depth: number): unknown => {
      switch (random(depth > 3 ? 4 : 6)) {
        case 0:
          return random(1_000_000) / 8;
        case 1:
          return String.fromCharCode(...Array.from({ length: random(12) }, () => 32 + random(90)));
        case 2:
          return random(2) === 0;
        case 3:
          return null;
        case 4:
          return Array.from({ length: random(5) }, () => make(depth + 1));
        default:
          return Object.fromEntries(
            Array.from({ length: random(5) }, () => [`k${random(9)}"\\`, make(depth + 1)]),
          );
      }
    };
    const rebuild = (json: JsonText): unknown => {
      if (json.text.startsWith("{"))
        return Object.fromEntries(membersOf(json).map(([name, part]) => [name, rebuild(part)]));
      if (json.text.startsWith("[")) return itemsOf(json).map(rebuild);
      return json.parse();
    };
    for (let n = 0; n < 500; n += 1) {
      const value = make(0);
      expect(rebuild(new JsonText(JSON.stringify(value, null, n % 3)))).toEqual(value);
    }
  });
});

describe("the canonical form", () => {
  const of = (text: string): string => canonicalText(new JsonText(text));

  test("is the same however a value is written", () => {
    const one = of(`{"b": [1.0, 2e1, "\\u0041"], "a": {"y":null, "x":true}}`);

    expect(one).toBe(of(`{"a":{"x":true,"y":null},"b":[1,20,"A"]}`));
    expect(one).toBe(`{"a":{"x":true,"y":null},"b":[1,20,"A"]}`);
  });

  test("keeps apart numbers that JavaScript would take for one", () => {
    expect(of("9007199254740993")).not.toBe(of("9007199254740992"));
    expect(of("1e400")).not.toBe(of("1e401"));
    expect(of("0.1")).toBe("0.1");
    expect(of("100")).toBe("100");
    expect(of("-0.0")).toBe(of("0"));
  });
});
