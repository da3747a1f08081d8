/** A queue whose every step costs the same, however long it is: an array's own shift() moves all its elements. */
export interface Fifo<T> {
  push(item: T): void;
  shift(): T | undefined;
  peek(): T | undefined;
  /** Puts `items` before all others, in their order. */
  unshift(items: readonly T[]): void;
  /** Takes off and returns all from position `from` on. */
  splice(from: number): T[];
  items(): readonly T[];
  length(): number;
}

export function fifo<T>(): Fifo<T> {
  /** Those before `head` have been taken, and are let go of at once: an outbox holds a hundred thousand. */
  let items: (T | undefined)[] = [];
  let head = 0;
  const settle = () => {
    if (head === 0) return;
    items = items.slice(head);
    head = 0;
  };
  return {
    push(item) {
      items.push(item);
    },
    shift() {
      const item = items[head];
      if (item === undefined) return undefined;
      items[head] = undefined;
      head += 1;
      if (head > 1024 && head * 2 > items.length) settle();
      return item;
    },
    peek: () => items[head],
    unshift(more) {
      items = [...more, ...items.slice(head)];
      head = 0;
    },
    splice(from) {
      settle();
      return items.splice(from) as T[];
    },
    items() {
      settle();
      return items as T[];
    },
    length: () => items.length - head,
  };
}
