import { expect, it } from "vitest";
import { xScreenSize } from "../../src/display/screen/xscreen.js";
import { startXServer } from "./xserver.js";

const never = new AbortController().signal;

it("asks an X server for its size", async () => {
  const server = await startXServer(1024, 600);
  try {
    await expect(xScreenSize({ DISPLAY: server.display }, never)).resolves.toEqual({
      width: 1024,
      height: 600,
    });
  } finally {
    await server.stop();
  }
});

it.each([undefined, "", "elsewhere:0", ":6789"])("knows none for DISPLAY=%s", async (DISPLAY) => {
  await expect(xScreenSize({ DISPLAY }, never)).resolves.toBeUndefined();
});
