// A small trend on a canvas: cheap enough for hundreds of rows. The numbers beside it say the same in text.

import { useEffect, useRef } from "react";
import type { Series } from "../live/series";

interface Props {
  readonly series: Series | undefined;
  /** Ends here, by the server's clock. */
  readonly now: number;
  readonly span: number;
  readonly width?: number;
  readonly height?: number;
}

export function Spark({ series, now, span, width = 96, height = 28 }: Props): React.JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context) draw(context, series, now, span, width, height);
  });
  return <canvas ref={canvas} className="spark" style={{ width, height }} aria-hidden="true" />;
}

function draw(
  context: CanvasRenderingContext2D,
  series: Series | undefined,
  now: number,
  span: number,
  width: number,
  height: number,
): void {
  const ratio = window.devicePixelRatio || 1;
  const canvas = context.canvas;
  if (canvas.width !== width * ratio) {
    canvas.width = width * ratio;
    canvas.height = height * ratio;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!series || series.length < 2) return;
  const from = series.indexFrom(now - span);
  let low = Infinity;
  let high = -Infinity;
  for (let index = from; index < series.length; index += 1) {
    const value = series.valueAt(index);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high < low) return;
  // A flat line stays flat: noise of a few units is no trend.
  const room = Math.max(high - low, 10);
  const middle = (high + low) / 2;
  context.beginPath();
  for (let index = from; index < series.length; index += 1) {
    const x = width - ((now - series.timeAt(index)) / span) * width;
    const y = height / 2 - ((series.valueAt(index) - middle) / room) * (height - 4);
    if (index === from) context.moveTo(x, y);
    else context.lineTo(x, y);
  }
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 1.5;
  context.stroke();
}
