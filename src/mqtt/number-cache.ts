import { createRequire } from "node:module";

/**
 * Has mqtt.js make the two bytes of a number when it needs them. Else it makes 65,536 buffers before its first packet,
 * one for each number: 9 MB, and a twentieth of a second, to save a few allocations a second.
 */
export function leaveOutNumberCache(): void {
  const beside = createRequire(createRequire(import.meta.url).resolve("mqtt"));
  const packets = beside("mqtt-packet") as { writeToStream?: { cacheNumbers: boolean } };
  // A version without the setting has nothing to turn off.
  if (packets.writeToStream !== undefined) packets.writeToStream.cacheNumbers = false;
}
