import { type Architecture, resNet } from "./architecture.js";
import type { Augmentation } from "./augment.js";
import { OUTPUTS } from "./heads.js";

/** Everything that decides how a network is trained, beside the data. */
export interface Preset {
  readonly architecture: Architecture;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Share of the run in which the learning rate climbs. */
  readonly warmup: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly averageDecay: number;
  readonly smoothing: number;
  /** Share of the features that the last layer does not see in a step (dropout), 0 to 1. */
  readonly dropout: number;
  /** Side in pixels of the middle of the 48 × 48 picture that the network sees. */
  readonly window: number;
  /** Sides of the input during training: from this share of the run on. Small ones first cost half as much. */
  readonly sizes: readonly { readonly from: number; readonly size: number }[];
  readonly augmentation: Augmentation;
  /** Pictures are blended with others up to this share of the run; 0 never. */
  readonly mixup: { readonly alpha: number; readonly until: number };
  /** How often an epoch shows FER-2013's rows of each label, in EMOTION_LABELS' order. */
  readonly repeats: readonly number[];
}

/** Strong: after sixty epochs of half as much, the network knew its own pictures much better than others. */
const augmentation: Augmentation = {
  flip: true,
  shift: 4,
  rotation: 15,
  scale: 0.15,
  contrast: 0.3,
  brightness: 25,
  erasing: 0.35,
  blur: 0.25,
};

/** Ours: 2.8 M parameters and 72 MMAC a face, all of it in dense 3 × 3 convolutions, which CPUs run best. */
export const edge: Preset = {
  architecture: resNet(
    {
      name: "edge",
      inputSize: 44,
      stem: { filters: 32, kernel: 3, stride: 2 },
      stages: [
        [32, 2, 1],
        [64, 2, 2],
        [128, 2, 2],
        [256, 2, 2],
      ],
    },
    OUTPUTS,
  ),
  epochs: 100,
  batch: 128,
  learningRate: 0.1,
  warmup: 0.02,
  momentum: 0.9,
  weightDecay: 5e-4,
  averageDecay: 0.998,
  smoothing: 0.05,
  dropout: 0.25,
  window: 44,
  sizes: [
    { from: 0, size: 34 },
    { from: 0.45, size: 44 },
  ],
  augmentation,
  // Not at the end: the last steps, which the average keeps, see faces as they are.
  mixup: { alpha: 0.3, until: 0.9 },
  repeats: [1, 3, 1, 1, 1, 1, 1],
};

/** A net small enough for tests and first tries: it has no room to learn by heart, nor time to get used to much. */
export const tiny: Preset = {
  ...edge,
  architecture: resNet(
    {
      name: "tiny",
      inputSize: 44,
      stem: { filters: 8, kernel: 3, stride: 2 },
      stages: [
        [8, 1, 2],
        [16, 1, 2],
        [32, 1, 2],
      ],
    },
    OUTPUTS,
  ),
  epochs: 10,
  batch: 32,
  learningRate: 0.05,
  dropout: 0,
  mixup: { alpha: 0.2, until: 0.3 },
  sizes: [{ from: 0, size: 44 }],
  augmentation: {
    flip: true,
    shift: 3,
    rotation: 10,
    scale: 0.12,
    contrast: 0.25,
    brightness: 20,
    erasing: 0.1,
    blur: 0,
  },
};

export const PRESETS: Readonly<Record<string, Preset>> = { edge, tiny };
