import type { Random } from "./random.js";
import { type Tensor2D, type Tensor4D, tf } from "./tensorflow.js";

/** A batch: pictures N × H × W × 1, and what is to be said about them, N × outputs. */
export type Batch = {
  readonly images: Tensor4D;
  readonly labels: Tensor2D;
};

/**
 * mixup (arXiv 1710.09412): each picture is blended with another of its batch, and so are their labels. A network that
 * must name both parts cannot learn single pictures by heart, wrong labels among them.
 *
 * @param alpha the shares are drawn from Beta(alpha, alpha): near 0, one of the two is hardly seen
 * @param batch rows in random order: each is blended with the one that mirrors its place
 */
export function mixup({ images, labels }: Batch, alpha: number, random: Random): Batch {
  const count = images.shape[0];
  const shares = Float32Array.from({ length: count }, () => {
    const share = beta(alpha, random);
    return Math.max(share, 1 - share);
  });
  return tf.tidy(() => {
    const blend = <T extends Tensor2D | Tensor4D>(own: T): T => {
      const share = tf.tensor(shares, [count, ...new Array<number>(own.rank - 1).fill(1)]);
      return tf.add(tf.mul(own, share), tf.mul(tf.reverse(own, 0), tf.sub(1, share))) as T;
    };
    return { images: blend(images), labels: blend(labels) };
  });
}

/** Draws from Beta(alpha, alpha), 0 < alpha ≤ 1 (Jöhnk 1964): at worst, a draw in two is kept. */
function beta(alpha: number, random: Random): number {
  for (;;) {
    const x = random.uniform() ** (1 / alpha);
    const y = random.uniform() ** (1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}
