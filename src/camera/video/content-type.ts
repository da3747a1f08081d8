import { get as getOverHttp } from "node:http";
import { get as getOverHttps } from "node:https";

/**
 * The type that a server says a stream has, such as `multipart/x-mixed-replace; boundary=x`; null where it says none,
 * or nothing in time.
 *
 * @param url http or https
 * @param within milliseconds
 */
export function contentType(url: string, within: number, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const get = /^https:/i.test(url) ? getOverHttps : getOverHttp;
    const request = get(url, { signal, timeout: within, agent: false }, (response) => {
      resolve(response.headers["content-type"] ?? null);
      request.destroy();
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(null));
    request.on("close", () => resolve(null));
  });
}
