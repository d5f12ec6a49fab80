// One chart of several lines over time (uPlot), with limits, spans of alerts and marks drawn in. Knows nothing of FHIR.

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import type { Columns } from "../model/trace";

export interface Line {
  readonly label: string;
  /** A CSS colour variable. */
  readonly colour: string;
  readonly digits: number;
  /** Dots for values that come rarely. */
  readonly dots: boolean;
  readonly dash?: readonly number[];
}

export interface Limitation {
  readonly value: number;
  readonly colour: string;
  readonly isFloor: boolean;
  readonly label: string;
}

export interface Span {
  readonly from: number;
  readonly until: number;
  readonly colour: string;
}

interface Props {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  readonly columns: Columns;
  /** In ms. */
  readonly from: number;
  readonly until: number;
  readonly limits: readonly Limitation[];
  readonly spans: readonly Span[];
  readonly height: number;
  readonly onZoom: (from: number, until: number) => void;
}

export function Trace(props: Props): React.JSX.Element {
  const { title, unit, lines, columns, height } = props;
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const current = useRef(props);
  current.current = props;
  const shape = `${title}|${lines.map((one) => one.label).join()}|${height}`;

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new uPlot(options(element, current), columns as uPlot.AlignedData, element);
    chart.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    const redraw = () => made.redraw(false);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    return () => {
      sized.disconnect();
      scheme.removeEventListener("change", redraw);
      made.destroy();
    };
  }, [shape]);

  useEffect(() => {
    const made = chart.current;
    if (!made) return;
    made.batch(() => {
      made.setData(columns as uPlot.AlignedData, false);
      made.setScale("x", { min: props.from / 1000, max: props.until / 1000 });
    });
  });

  return (
    <figure className="trace">
      <figcaption>
        <b>{title}</b> <span className="quiet">{unit}</span>
        {lines.map((line) => (
          <span key={line.label} className="key">
            <span
              className={line.dash ? "swatch dashed" : "swatch"}
              style={{ borderColor: `var(${line.colour})` }}
            />{" "}
            {line.label}
          </span>
        ))}
      </figcaption>
      <div ref={holder} aria-hidden="true" />
    </figure>
  );
}

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day; at midnight, as on an axis of weeks, the day. */
function shortTime(time: number): string {
  const date = new Date(time);
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
  return isMidnight ? DATE.format(date) : TIME.format(date);
}

function options(element: HTMLElement, current: { readonly current: Props }): uPlot.Options {
  const { lines, height } = current.current;
  const axis = {
    stroke: () => colourOf("--quiet"),
    grid: { stroke: () => colourOf("--line"), width: 0.5 },
    ticks: { stroke: () => colourOf("--line") },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "chart" }, points: { size: 6 } },
    scales: { x: { time: true, auto: false }, y: { range: rangeWithLimits(current) } },
    axes: [
      {
        ...axis,
        space: 80,
        size: 30,
        values: (_chart, splits) => splits.map((one) => shortTime(one * 1000)),
      },
      { ...axis, size: 46 },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: () => colourOf(line.colour),
        width: 1.5,
        points: { show: line.dots, size: 6, fill: () => colourOf(line.colour) },
        ...(line.dash ? { dash: [...line.dash] } : {}),
      })),
    ],
    hooks: {
      drawClear: [(chart) => drawSpans(chart, current.current.spans)],
      draw: [(chart) => drawLimits(chart, current.current.limits)],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < 8) return;
          const [from, until] = [chart.posToVal(left, "x") * 1000, chart.posToVal(left + width, "x") * 1000];
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          current.current.onZoom(from, until);
        },
      ],
    },
  };
}

/** The values and the limits near them: a limit that is far away must not flatten the lines. */
function rangeWithLimits(current: { readonly current: Props }) {
  return (_chart: uPlot, low: number | null, high: number | null): [number, number] => {
    const limits = current.current.limits.filter((one) => !one.isFloor).map((one) => one.value);
    const from = low ?? Math.min(...limits, 0);
    const until = high ?? Math.max(...limits, 100);
    const room = Math.max(20, until - from);
    const near = limits.filter((one) => one > from - room && one < until + room);
    const [least, most] = [Math.min(from, ...near), Math.max(until, ...near)];
    const margin = Math.max(5, (most - least) * 0.08);
    return [least - margin, most + margin];
  };
}

function drawSpans(chart: uPlot, spans: readonly Span[]): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const span of spans) {
    const from = chart.valToPos(span.from / 1000, "x", true);
    const until = chart.valToPos(span.until / 1000, "x", true);
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = colourOf(span.colour);
    ctx.fillRect(from, bbox.top, Math.max(2, until - from), bbox.height);
  }
  ctx.restore();
}

/** Limits in the colour of the line they belong to, their words at the right end where they hide least. */
function drawLimits(chart: uPlot, limits: readonly Limitation[]): void {
  const { ctx, bbox } = chart;
  const taken: number[] = [];
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  for (const limit of limits) {
    const y = chart.valToPos(limit.value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = colourOf(limit.colour);
    ctx.lineWidth = (limit.isFloor ? 2 : 1) * devicePixelRatio;
    ctx.setLineDash(limit.isFloor ? [] : [6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    if (taken.some((one) => Math.abs(one - y) < 13 * devicePixelRatio)) continue;
    taken.push(y);
    ctx.fillText(limit.label, bbox.left + bbox.width - 4 * devicePixelRatio, y - 2 * devicePixelRatio);
  }
  ctx.restore();
}
