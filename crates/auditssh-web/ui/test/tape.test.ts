import assert from "node:assert/strict";
import { test } from "node:test";
import { type CastEvent, readCast, resized } from "../src/play/cast";
import { Tape, activity } from "../src/play/tape";

globalThis.requestAnimationFrame ??= () => 0;
globalThis.cancelAnimationFrame ??= () => undefined;

/** What a terminal was given since it was last empty. */
class Terminal {
  text = "";
  size = "";

  watch(tape: Tape): void {
    tape.driver({
      dispatch: (name, data) => {
        const told = data as { size?: { cols: number; rows: number }; cols?: number; rows?: number };
        if (name === "output") this.text += data as string;
        if (name === "reset") [this.text, this.size] = ["", `${told.size?.cols}x${told.size?.rows}`];
        if (name === "resize") this.size = `${told.cols}x${told.rows}`;
      },
    });
  }
}

/** The same numbers in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function events(next: () => number, count: number): CastEvent[] {
  let at = 0;
  return Array.from({ length: count }, (_, index): CastEvent => {
    at += next() < 0.3 ? 0 : next() * 3;
    const kind = "oooiorm"[Math.floor(next() * 7)] ?? "o";
    return [at, kind, kind === "r" ? `${80 + (index % 40)}x${24 + (index % 9)}` : `<${index}>`];
  });
}

test("a terminal shows what was shown up to a moment, however it came there", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const next = random(seed);
    const all = events(next, Math.floor(next() * 40));
    const [tape, terminal] = [new Tape(), new Terminal()];
    terminal.watch(tape);
    tape.begin({ columns: 100, rows: 30 });
    let pushed = 0;
    for (let turn = 0; turn < 60; turn += 1) {
      const what = next();
      if (what < 0.3) {
        const more = Math.floor(next() * 6);
        tape.push(all.slice(pushed, pushed + more));
        pushed = Math.min(all.length, pushed + more);
      } else if (what < 0.7) tape.seek(next() * 80 - 5);
      else if (what < 0.8) tape.step(1);
      else if (what < 0.9) tape.step(-1);
      else if (what < 0.95) tape.follow();
      else tape.pause();
      const there = all.slice(0, pushed).filter(([at]) => at <= tape.position);
      const shown = there.filter(([, kind]) => kind === "o").map(([, , data]) => data);
      assert.equal(terminal.text, shown.join(""), `seed ${seed}, turn ${turn}`);
      const sizes = there.filter(([, kind]) => kind === "r").map(([, , data]) => data);
      assert.equal(terminal.size, sizes.at(-1) ?? "100x30", `seed ${seed}, turn ${turn}`);
      assert.ok(tape.position >= 0 && tape.position <= tape.duration);
    }
  }
});

test("times of a tape never go back", () => {
  const tape = new Tape();
  tape.push([[5, "o", "a"], [3, "o", "b"]]);
  assert.deepEqual(tape.events.map(([at]) => at), [5, 5]);
});

test("another terminal shows the same as the one before", () => {
  const tape = new Tape();
  tape.push([[1, "o", "a"], [2, "o", "b"]]);
  tape.seek(1.5);
  const terminal = new Terminal();
  terminal.watch(tape);
  assert.equal(terminal.text, "a");
});

test("activity is between nothing and all", () => {
  const tape = new Tape();
  assert.deepEqual(activity(tape, 3), [0, 0, 0]);
  tape.push([[0, "o", "a"], [10, "o", "x".repeat(9999)]]);
  const heights = activity(tape, 4);
  assert.ok(heights.every((height) => height >= 0 && height <= 1));
  assert.equal(heights[3], 1);
});

test("a cast is read line by line, whatever is in it", async () => {
  const lines = ['{"version":2,"width":90,"height":20}', '[0.5,"o","a"]', "nonsense", '[1,"o"]', '[2,"o","b"]', '{"x":1}'];
  const read: CastEvent[] = [];
  let size = "";
  const how = await readCast(
    new Response(lines.join("\n")),
    ({ columns, rows }) => (size = `${columns}x${rows}`),
    (batch) => read.push(...batch),
    () => undefined,
  );
  assert.deepEqual([how, size, read.map(([, , data]) => data).join("")], ["whole", "90x20", "ab"]);
});

test("a size that can't be is none", () => {
  assert.deepEqual(resized("80x24"), { columns: 80, rows: 24 });
  assert.deepEqual(resized("9999x9999"), { columns: 1000, rows: 500 });
  for (const text of ["", "80", "80x", "0xx1", "80x24x1", "-1x5", "1e3x5"]) assert.equal(resized(text), null, text);
});

test("what is seen before anything is played is not where it stands", () => {
  const [tape, terminal] = [new Tape(), new Terminal()];
  terminal.watch(tape);
  tape.push([[1, "o", "a"], [2, "o", "b"], [3, "o", "c"]]);
  tape.preview(2.5);
  assert.deepEqual([terminal.text, tape.position], ["ab", 0]);
  const another = new Terminal();
  another.watch(tape);
  assert.equal(another.text, "ab");
  tape.seek(0);
  assert.equal(another.text, "");
  another.watch(tape);
  assert.equal(another.text, "");
});
