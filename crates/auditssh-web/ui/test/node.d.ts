declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  const assert: {
    equal(one: unknown, other: unknown, message?: string): void;
    deepEqual(one: unknown, other: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
  };
  export default assert;
}
