import type { Parameter } from "./network.js";
import { type Tensor, tf } from "./tensorflow.js";

/** Stochastic gradient descent with Nesterov momentum, weight decay, and an average of the weights beside it. */
export interface Optimizer {
  /** One step; the gradients are by parameter name, and stay the caller's. */
  step(gradients: ReadonlyMap<string, Tensor>, learningRate: number): void;
  /** Averaged values of every parameter, running statistics too. */
  readonly averages: Map<string, Tensor>;
  readonly momenta: Map<string, Tensor>;
}

export interface OptimizerOptions {
  readonly momentum: number;
  readonly weightDecay: number;
  /** How much of the average is kept at each step. */
  readonly averageDecay: number;
}

export function createOptimizer(parameters: readonly Parameter[], options: OptimizerOptions): Optimizer {
  const averages = new Map<string, Tensor>();
  const momenta = new Map<string, Tensor>();
  for (const { name, variable, trainable } of parameters) {
    averages.set(name, tf.keep(variable.clone()));
    if (trainable) momenta.set(name, tf.keep(tf.zerosLike(variable)));
  }
  const replace = (map: Map<string, Tensor>, name: string, make: (old: Tensor) => Tensor): Tensor => {
    const old = map.get(name);
    if (old === undefined) throw new Error(`no state for ${name}`);
    const next = tf.keep(make(old));
    map.set(name, next);
    old.dispose();
    return next;
  };
  let steps = 0;
  return {
    averages,
    momenta,
    step(gradients, learningRate) {
      steps++;
      // The average follows closely at first, so that it does not drag the random start along.
      const decay = Math.min(options.averageDecay, steps / (steps + 10));
      tf.tidy(() => {
        for (const { name, variable, trainable, decay: decays } of parameters) {
          if (trainable) {
            const raw = gradients.get(name);
            if (raw === undefined) throw new Error(`no gradient for ${name}`);
            const gradient = decays ? tf.add(raw, tf.mul(variable, options.weightDecay)) : raw;
            const momentum = replace(momenta, name, (old) => tf.add(tf.mul(old, options.momentum), gradient));
            const ahead = tf.add(tf.mul(momentum, options.momentum), gradient);
            variable.assign(tf.sub(variable, tf.mul(ahead, learningRate)));
          }
          replace(averages, name, (old) => tf.add(tf.mul(old, decay), tf.mul(variable, 1 - decay)));
        }
      });
    },
  };
}

/** Linear warm-up to `peak`, then half a cosine down to (almost) 0 at the last step. */
export function learningRate(step: number, steps: number, warmup: number, peak: number): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  return peak * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)));
}
