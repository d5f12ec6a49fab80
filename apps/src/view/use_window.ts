// Which rows of a long list stand on the screen: only those are drawn. Rows have one height, told by the style sheet.

import { useCallback, useEffect, useState } from "react";

interface Shown {
  readonly container: (element: HTMLElement | null) => void;
  readonly from: number;
  readonly until: number;
  /** Pixels of the rows that are not drawn. */
  readonly above: number;
  readonly below: number;
}

const BEYOND = 4;
const FIRST = 30;

export function useWindow(count: number): Shown {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [range, setRange] = useState({ from: 0, until: FIRST, height: 0 });

  useEffect(() => {
    if (!element) return;
    let frame = 0;
    const measure = () => {
      frame = 0;
      const height = parseFloat(getComputedStyle(element).getPropertyValue("--row-height"));
      const top = element.getBoundingClientRect().top;
      const first = Math.floor(-top / height) - BEYOND;
      const last = Math.ceil((window.innerHeight - top) / height) + BEYOND;
      // Kept to the number of rows where it is read: a list that shrank needs no second look.
      const from = Math.max(0, first);
      const until = Math.max(from + 1, last);
      setRange((old) =>
        old.from === from && old.until === until && old.height === height ? old : { from, until, height },
      );
    };
    const later = () => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", later);
      window.removeEventListener("resize", later);
    };
  }, [element, count]);

  const container = useCallback((found: HTMLElement | null) => setElement(found), []);
  const from = Math.min(range.from, Math.max(0, count - 1));
  const until = Math.min(range.until, count);
  return {
    container,
    from,
    until,
    above: from * range.height,
    below: Math.max(0, count - until) * range.height,
  };
}
