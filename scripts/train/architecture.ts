/**
 * A network as data: training interprets it, and the exporters write it out, so that there is one description.
 * Every layer names its input; the picture is `input`.
 */

/** Added to the variance before the root is taken. */
export const BATCH_NORM_EPSILON = 1e-3;
/**
 * Factor on the flattened features. Their norm decides how far one step moves a logit; without it the first steps
 * of a network with thousands of features overshoot. The exporters fold it into the last layer's weights.
 */
export const FEATURE_SCALE = 0.2;
/** Convolution without bias, zero padding as TensorFlow's SAME, batch norm, and ReLU if `relu`. */
export interface ConvLayer {
  readonly op: "conv";
  readonly name: string;
  readonly input: string;
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  readonly relu: boolean;
}

/** relu(a + b) */
export interface AddLayer {
  readonly op: "add";
  readonly name: string;
  readonly a: string;
  readonly b: string;
}

/**
 * All positions of all channels as one row. A face fills the crop the same way each time, so where a feature is seen
 * says as much as that it is seen: averaging over the picture learnt several times slower.
 */
export interface FlattenLayer {
  readonly op: "flatten";
  readonly name: string;
  readonly input: string;
}

/** The last layer: two sets of seven logits, original labels first, then FER+ votes. */
export interface DenseLayer {
  readonly op: "dense";
  readonly name: string;
  readonly input: string;
  readonly units: number;
}

export type Layer = ConvLayer | AddLayer | FlattenLayer | DenseLayer;

export interface Architecture {
  readonly name: string;
  /** Side of the square grey input in pixels. */
  readonly inputSize: number;
  readonly layers: readonly Layer[];
}

export interface ResNetShape {
  readonly name: string;
  readonly inputSize: number;
  readonly stem: { readonly filters: number; readonly kernel: number; readonly stride: number };
  /** Filters, blocks and stride of the first block of each stage. */
  readonly stages: readonly (readonly [filters: number, blocks: number, stride: number])[];
}

/** A residual network of basic blocks (He et al. 2015, arXiv 1512.03385): two 3 × 3 convolutions around a shortcut. */
export function resNet(shape: ResNetShape, units: number): Architecture {
  const layers: Layer[] = [];
  layers.push({ op: "conv", name: "stem", input: "input", ...shape.stem, relu: true });
  let input = "stem";
  let channels = shape.stem.filters;
  shape.stages.forEach(([filters, blocks, firstStride], stage) => {
    for (let block = 0; block < blocks; block++) {
      const name = `stage${stage + 1}_${block + 1}`;
      const stride = block === 0 ? firstStride : 1;
      layers.push({ op: "conv", name: `${name}_a`, input, filters, kernel: 3, stride, relu: true });
      layers.push({
        op: "conv",
        name: `${name}_b`,
        input: `${name}_a`,
        filters,
        kernel: 3,
        stride: 1,
        relu: false,
      });
      let shortcut = input;
      if (stride !== 1 || channels !== filters) {
        shortcut = `${name}_s`;
        layers.push({ op: "conv", name: shortcut, input, filters, kernel: 1, stride, relu: false });
      }
      layers.push({ op: "add", name, a: `${name}_b`, b: shortcut });
      input = name;
      channels = filters;
    }
  });
  layers.push({ op: "flatten", name: "features", input });
  layers.push({ op: "dense", name: "logits", input: "features", units });
  return { name: shape.name, inputSize: shape.inputSize, layers };
}

export interface LayerShape {
  readonly side: number;
  readonly channels: number;
}

/** Output size of each layer by name, `input` among them. */
export function shapes(
  architecture: Architecture,
  inputSize = architecture.inputSize,
): Map<string, LayerShape> {
  const known = new Map<string, LayerShape>([["input", { side: inputSize, channels: 1 }]]);
  for (const layer of architecture.layers) {
    const from = shapeOf(known, layer.op === "add" ? layer.a : layer.input);
    switch (layer.op) {
      case "conv":
        known.set(layer.name, { side: Math.ceil(from.side / layer.stride), channels: layer.filters });
        break;
      case "add":
        known.set(layer.name, from);
        break;
      case "flatten":
        known.set(layer.name, { side: 1, channels: from.channels * from.side ** 2 });
        break;
      case "dense":
        known.set(layer.name, { side: 1, channels: layer.units });
        break;
    }
  }
  return known;
}

/** The shape of a layer that comes earlier in the list. */
export function shapeOf(known: ReadonlyMap<string, LayerShape>, name: string): LayerShape {
  const shape = known.get(name);
  if (shape === undefined) throw new Error(`layer ${name} is used before it is defined`);
  return shape;
}

export interface Cost {
  readonly parameters: number;
  /** Multiply-accumulates for one face. */
  readonly macs: number;
}

/** Parameters (batch norm folded, both heads) and multiply-accumulates of the exported network. */
export function cost(architecture: Architecture): Cost {
  const known = shapes(architecture);
  let parameters = 0;
  let macs = 0;
  for (const layer of architecture.layers) {
    if (layer.op === "conv") {
      const weights = layer.kernel ** 2 * shapeOf(known, layer.input).channels * layer.filters;
      parameters += weights + layer.filters;
      macs += weights * shapeOf(known, layer.name).side ** 2;
    } else if (layer.op === "dense") {
      const weights = shapeOf(known, layer.input).channels * layer.units;
      parameters += weights + layer.units;
      macs += weights;
    }
  }
  return { parameters, macs };
}
