/** Addresses (URLs) as people write them, passwords and all. Pure: text in, text out. */

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** How a character is written that would end, or part, what stands before the host. */
const ENCODED: Readonly<Record<string, string>> = {
  "/": "%2F",
  "\\": "%5C",
  "?": "%3F",
  "#": "%23",
  "@": "%40",
};

/** Parts of cameras' paths that are words of their own kind; whatever else stands there may be a password or a key. */
const PATH_WORDS = new Set(
  (
    "a s av axis-cgi axis-media cam camera cameras cgi-bin ch channel channels cif d1 h264 h265 hevc high hls image img " +
    "index jpg jpeg live low main main_stream media media.amp media.smp medium mjpeg mjpg mp4 mpeg4 nphmotionjpeg onvif " +
    "picture play preview primary profile profile1 profile2 realmonitor record rtsp secondary snapshot stream stream1 " +
    "stream2 streaming sub sub_stream test track track1 track2 unicast video video.cgi video.mjpg video1 video2 videos " +
    "videostream videostream.cgi webcam x"
  ).split(" "),
);

/**
 * What is wrong with the part of an address that names user, password and host: a character that was to be part of the
 * password ends it too early, or parts it in two places. Half of the password would be looked up as a host.
 *
 * @returns the cure, without a word of the address; null where nothing is wrong
 */
export function authorityFault(address: string): string | null {
  const scheme = SCHEME.exec(address);
  if (scheme === null) return null;
  const rest = address.slice(scheme[0].length);
  const end = rest.search(/[/\\?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const beyond = end < 0 ? "" : rest.slice(end);
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  const found = new Set<string>();
  // `udp://@239.0.0.1` has no user.
  if (authority.slice(1).indexOf("@") !== authority.slice(1).lastIndexOf("@")) found.add("@");
  if (beyond.includes("@") && !isNumericAddress(host)) {
    const [first = "/"] = beyond;
    const hidden = beyond.slice(1, beyond.lastIndexOf("@"));
    if (
      authority.includes(":") ||
      authority.includes("@") ||
      hidden.includes(":") ||
      "#?\\".includes(first)
    ) {
      for (const character of first + hidden) if (character in ENCODED) found.add(character);
      if (authority.includes("@")) found.add("@");
    }
  }
  if (found.size === 0) return null;
  const cures = [...found].map((character) => `${character} as ${ENCODED[character]}`);
  const after = beyond.includes("@") && !found.has("@") ? "; an @ after the host is written %40" : "";
  return `must have no ${[...found].join(" ")} within user and password: write ${cures.join(", ")}${after}`;
}

/** An IPv4 or IPv6 address, perhaps with a port: nobody's password begins that way. */
function isNumericAddress(host: string): boolean {
  return /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.test(host);
}

/**
 * An address for people to read: scheme, host and port, and of the path what is certainly no secret. Cameras take
 * passwords in paths (`/user=admin_password=…`) and queries, streaming services keys.
 */
export function describeAddress(address: string): string {
  const scheme = SCHEME.exec(address)?.[0] ?? "";
  const rest = address.slice(scheme.length);
  // Where it is not certain what is the host, all that may be a password goes.
  const end = authorityFault(address) === null ? rest.search(/[/\\?#]/) : -1;
  const at = (end < 0 ? rest : rest.slice(0, end)).lastIndexOf("@");
  const known = rest.slice(at + 1);
  const host = /^(\[[0-9a-f:.]*\](?::\d+)?|[^/\\?#\s]*)/i.exec(known)?.[0] ?? "";
  const path = /^[^?#\s]*/.exec(known.slice(host.length))?.[0] ?? "";
  const shown = path
    .split("/")
    .map((part) => (isPlain(part) ? part : "…"))
    .join("/");
  return `${scheme}${host}${shown}`;
}

const isPlain = (part: string): boolean =>
  part === "" || /^(ch|s|p|m|tr)?\d{1,3}$/i.test(part) || PATH_WORDS.has(part.toLowerCase());

/** Whether a path says more than describeAddress shows. */
export const hidesMore = (path: string): boolean => !path.split("/").every(isPlain);
