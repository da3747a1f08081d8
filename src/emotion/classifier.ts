/** Which model made a score: the manifest's name and version, published with every event. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
}

export type EngineName = "onnx-int8" | "onnx-fp32" | "tensorflow";

/** Names the emotion of faces. One owner makes it and closes it. */
export interface Classifier {
  readonly engine: EngineName;
  readonly model: ModelIdentity;
  /** Side of the square grey input in pixels. */
  readonly inputSize: number;
  /**
   * Scores a batch of faces. The event loop is held for a few faces at most.
   *
   * @param faces `count` grey crops one after another, each `inputSize`² bytes, row by row, 0 (black) to 255.
   * @param count number of faces in the batch, at least 1.
   * @returns `count` × 7 probabilities in the order of EMOTION_LABELS; each row sums to 1.
   */
  classify(faces: Uint8Array, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}
