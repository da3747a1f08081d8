import { expect, it } from "vitest";
import { diagnose } from "../../src/display/screen/diagnose.js";

const nowhere = { sys: "/nonexistent", dev: "/nonexistent", env: {} };

it.each([
  ["none", "ok", "no picture"],
  ["fakesink sync=false", "ok", "has the elements"],
  ["videoflip method=clockwise ! nosuchsink", "fail", "nosuchsink"],
  ["kms", "warn", "vc4-kms-v3d"],
  ["framebuffer", "fail", "fb0"],
  ["x11", "fail", "DISPLAY is not set"],
  ["auto", "warn", "nothing is shown"],
])("%s: %s", async (sink, level, message) => {
  const found = await diagnose(sink, nowhere);
  expect(found).toEqual({ level, message: expect.stringContaining(message) });
});

it("finds an X display for auto", async () => {
  const found = await diagnose("auto", { ...nowhere, env: { DISPLAY: ":0" } });
  expect(found).toEqual({ level: "ok", message: "auto: x11, pictures of 1280×720" });
});
