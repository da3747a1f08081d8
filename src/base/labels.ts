/** The seven emotions in FER-2013's order; scores, model outputs and confusion matrices all use it. */
export const EMOTION_LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"] as const;

export type EmotionLabel = (typeof EMOTION_LABELS)[number];

/** What an event may name: one of the seven, or `uncertain` when the best score is under `emotion.minConfidence`. */
export type FaceLabel = EmotionLabel | "uncertain";

export const EMOTION_COUNT = EMOTION_LABELS.length;
