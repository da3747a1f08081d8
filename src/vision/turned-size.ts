/** Width and height of the upright rectangle around a picture that is turned by an angle in degrees. */
export function turnedSize(width: number, height: number, angle: number): [width: number, height: number] {
  const radians = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.abs(Math.cos(radians)), Math.abs(Math.sin(radians))];
  return [width * cos + height * sin, width * sin + height * cos];
}
