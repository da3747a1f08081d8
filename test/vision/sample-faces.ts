/** The middles of all faces on face-api's sample photos, 640 pixels wide, by eye. */
export const SAMPLE_FACES: Readonly<Record<number, readonly (readonly [x: number, y: number])[]>> = {
  1: [
    [162, 162],
    [309, 187],
    [525, 110],
  ],
  2: [
    [154, 88],
    [338, 120],
    [512, 97],
  ],
  3: [
    [226, 154],
    [393, 123],
    [537, 144],
  ],
  4: [
    [125, 110],
    [245, 66],
    [351, 104],
    [447, 92],
  ],
  5: [
    [149, 353],
    [292, 74],
    [395, 104],
    [241, 179],
    [494, 178],
  ],
  6: [
    [127, 215],
    [252, 161],
    [428, 155],
    [528, 138],
  ],
};
