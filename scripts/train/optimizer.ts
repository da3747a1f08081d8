import type { Parameter } from "./network.js";
import { type Tensor, tf } from "./tensorflow.js";

/** Stochastic gradient descent with Nesterov momentum, weight decay, and an average of the weights beside it. */
export interface Optimizer {
  /** Step `number`, from 0 across all epochs; the gradients are by parameter name, and stay the caller's. */
  step(number: number, gradients: ReadonlyMap<string, Tensor>, learningRate: number): void;
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
  return {
    averages,
    momenta,
    step(number, gradients, learningRate) {
      // The average follows closely at first, so that it does not drag the random start along.
      const decay = Math.min(options.averageDecay, (number + 1) / (number + 11));
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
