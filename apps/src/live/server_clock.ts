// The server's clock, as far as it can be told from here: ages of values must not depend on a wrong clock at the viewer's.

/** How far the server's clock is ahead of ours: of one message, sent at `sent` by the server's clock. */
export function offsetFrom(sent: number, received: number): number {
  return sent - received;
}

const KEPT = 20;

export class ServerClock {
  private offsets: number[] = [];

  constructor(private readonly local: () => number = () => Date.now()) {}

  /** Takes one more offset. A message that was long on its way makes it too small, so the largest is nearest. */
  learn(offset: number): void {
    this.offsets.push(offset);
    if (this.offsets.length > KEPT) this.offsets.shift();
  }

  /** How far the server is ahead, in ms; 0 while nothing was heard. */
  get offset(): number {
    return this.offsets.length ? Math.max(...this.offsets) : 0;
  }

  /** Now, by the server's clock. */
  now(): number {
    return this.local() + this.offset;
  }
}
