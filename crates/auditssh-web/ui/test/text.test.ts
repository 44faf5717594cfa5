import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, fromInput, lasted, size, toInput } from "../src/format";
import { visible } from "../src/visible";

test("nothing that is shown controls, turns or hides", () => {
  const every = Array.from({ length: 0x30000 }, (_, code) => (code >= 0xd800 && code < 0xe000 ? "" : String.fromCodePoint(code)));
  const shown = visible(every.join("")) + visible("\u{e0041}\u{e0001}");
  const bad = shown.search(/(?!\t)\p{Cc}|\p{Bidi_Control}|[\u2028\u2029\u200b-\u200d\ufeff\u{e0001}]/u);
  assert.equal(bad === -1 ? "none" : shown.codePointAt(bad)?.toString(16), "none");
});

test("what is shown says what it was", () => {
  assert.equal(visible("a\tb äöü 漢字 🦀"), "a\tb äöü 漢字 🦀");
  assert.equal(visible("\x1b[2J\r\n\x7f"), "\\x1b[2J\\x0d\\x0a\\x7f");
  assert.equal(visible("\u202egnp.exe"), "\\u{202e}gnp.exe");
});

test("times and sizes are short", () => {
  assert.deepEqual([0, 59.9, 60, 3600, 36061].map(clock), ["0:00", "0:59", "1:00", "1:00:00", "10:01:01"]);
  assert.deepEqual([null, 0.04, 59.6, 61, 3661, 90000].map(lasted), ["–", "0.0 s", "1 min 0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
  assert.deepEqual([0, 999, 1000, 99_949, 999_600, 12e9].map(size), ["0 B", "999 B", "1.0 kB", "99.9 kB", "1.0 MB", "12.0 GB"]);
});

test("a time comes back from its field", () => {
  assert.equal(fromInput(toInput("2026-11-26T17:40:00Z")), "2026-11-26T17:40:00Z");
  assert.equal(fromInput(""), "");
  assert.equal(toInput("nonsense"), "");
});
