import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { instanceUnit } from "../../scripts/units/instance-unit.js";

const read = (name: string) => readFileSync(join(import.meta.dirname, "..", "..", "systemd", name), "utf8");

it("the unit for a second camera is made from the first one's (npm run units writes it)", () => {
  expect(read("emotiond@.service")).toBe(instanceUnit(read("emotiond.service")));
});

it("a unit that has lost what must differ is refused", () => {
  const shared = read("emotiond.service").replace("StateDirectory=emotiond\n", "");
  const noneDiffers = shared.replace(/^(Runtime|Cache)Directory=.*$/gm, "");
  expect(() => instanceUnit(noneDiffers)).toThrow("emotiond.service has no");
});
