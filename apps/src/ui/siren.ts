// Sounds, made here: no file, no network. A browser lets a page sound only after the person has touched it.

export type Sound = "high" | "lost" | "try";

/** Beeps as [start in s, frequency in Hz, length in s]. [P] High priority: groups of three and two. */
const PATTERNS: Readonly<Record<Sound, readonly (readonly [number, number, number])[]>> = {
  high: [
    [0, 880, 0.15],
    [0.25, 880, 0.15],
    [0.5, 880, 0.15],
    [0.9, 1175, 0.15],
    [1.15, 1175, 0.15],
  ],
  lost: [
    [0, 440, 0.5],
    [0.7, 330, 0.5],
  ],
  try: [[0, 660, 0.2]],
};
const REPEATED_AFTER_MS: Readonly<Record<Sound, number>> = { high: 4000, lost: 6000, try: Infinity };

export class Siren {
  private context: AudioContext | undefined;
  private current: Sound | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly listeners = new Set<() => void>();

  /** Whether a sound would be heard, as far as the browser says. */
  get isUnlocked(): boolean {
    return this.context?.state === "running";
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** To be called from a click or a key; plays one short sound, so that the person hears that it works. */
  async unlock(): Promise<void> {
    this.context ??= new AudioContext();
    this.context.onstatechange = () => this.tell();
    await this.context.resume();
    this.beep("try");
    this.tell();
  }

  /** Sounds `sound` again and again, or nothing. */
  set(sound: Sound | undefined): void {
    if (sound === this.current) return;
    this.current = sound;
    clearInterval(this.timer);
    if (!sound) return;
    this.beep(sound);
    this.timer = setInterval(() => this.beep(sound), REPEATED_AFTER_MS[sound]);
  }

  private beep(sound: Sound): void {
    const context = this.context;
    if (context?.state !== "running") return;
    for (const [start, frequency, length] of PATTERNS[sound]) {
      const oscillator = context.createOscillator();
      const gain = context.createGain();
      const at = context.currentTime + start;
      oscillator.frequency.value = frequency;
      oscillator.type = "triangle";
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.4, at + 0.02);
      gain.gain.setValueAtTime(0.4, at + length - 0.03);
      gain.gain.linearRampToValueAtTime(0, at + length);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(at);
      oscillator.stop(at + length);
    }
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
