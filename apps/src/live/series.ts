// Values of one quantity over time, in order, at most so many. Memory does not grow with the hours.

/** A bounded, time-ordered series; late values find their place, a time that is known is replaced. */
export class Series {
  private times: Float64Array;
  private values: Float64Array;
  private from = 0;
  private count = 0;

  constructor(private readonly most: number) {
    // Twice the room: values are moved to the front once in `most` additions.
    this.times = new Float64Array(most * 2);
    this.values = new Float64Array(most * 2);
  }

  get length(): number {
    return this.count;
  }

  get lastTime(): number | undefined {
    return this.count ? this.times[this.from + this.count - 1] : undefined;
  }

  get lastValue(): number | undefined {
    return this.count ? this.values[this.from + this.count - 1] : undefined;
  }

  timeAt(index: number): number {
    return this.times[this.from + index] ?? NaN;
  }

  valueAt(index: number): number {
    return this.values[this.from + index] ?? NaN;
  }

  add(time: number, value: number): void {
    let at = this.count;
    while (at > 0 && this.timeAt(at - 1) > time) at -= 1;
    if (at > 0 && this.timeAt(at - 1) === time) {
      this.values[this.from + at - 1] = value;
      return;
    }
    if (this.count === this.most) {
      if (at === 0) return;
      this.from += 1;
      this.count -= 1;
      at -= 1;
    }
    if (this.from + this.count === this.times.length) this.toFront();
    const end = this.from + this.count;
    this.times.copyWithin(this.from + at + 1, this.from + at, end);
    this.values.copyWithin(this.from + at + 1, this.from + at, end);
    this.times[this.from + at] = time;
    this.values[this.from + at] = value;
    this.count += 1;
  }

  /** The index of the first value at `time` or later. */
  indexFrom(time: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.timeAt(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private toFront(): void {
    this.times.copyWithin(0, this.from, this.from + this.count);
    this.values.copyWithin(0, this.from, this.from + this.count);
    this.from = 0;
  }
}
