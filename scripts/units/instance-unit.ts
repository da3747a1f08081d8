/** What the unit of a second camera, `emotiond@NAME`, has in place of the first one's. */
const DIFFERENCES: readonly (readonly [RegExp, string])[] = [
  [/^# emotiond: /m, "# emotiond@NAME: "],
  [/systemctl edit emotiond$/m, "systemctl edit emotiond@NAME"],
  [/^Description=.*$/m, "$& (%i)"],
  [/\/etc\/emotiond\/emotiond\.yaml/g, "/etc/emotiond/%i.yaml"],
  [/^(State|Runtime|Cache)Directory=emotiond$/gm, "$&-%i"],
  [/\/var\/cache\/emotiond\//g, "/var/cache/emotiond-%i/"],
  [/emotiond\.mqtt\.password/g, "emotiond-%i.mqtt.password"],
];

/**
 * The template unit for further cameras, made from the first camera's, so that the two cannot drift apart.
 *
 * @throws Error when the unit has lost something that would have to differ.
 */
export function instanceUnit(unit: string): string {
  return DIFFERENCES.reduce((text, [what, instead]) => {
    if (text.search(what) < 0) throw new Error(`emotiond.service has no ${what}`);
    return text.replace(what, instead);
  }, unit);
}
