// The last values of a patient with their age. Old is said to be old; nothing is called normal.

import { quantityOf } from "../fhir/quantities";
import { ageText, freshnessOf } from "../model/freshness";
import { drawnLimits, type Rules } from "../model/limits";
import { useValues } from "./live";

const TILES: readonly (readonly string[])[] = [
  ["systolic", "diastolic"],
  ["heart-rate"],
  ["venous"],
  ["arterial"],
  ["transmembrane"],
  ["blood-flow"],
  ["removal-rate"],
  ["removed"],
  ["temperature"],
  ["conductivity"],
];
/** [P] As the server judges it: a value is overdue after one and a half intervals. */
const PATIENCE = 1.5;

interface Props {
  readonly patient: string;
  readonly rules: Rules;
  readonly now: number;
}

export function Tiles({ patient, rules, now }: Props): React.JSX.Element {
  const record = useValues(patient);
  return (
    <ul className="tiles" aria-label="Last values">
      {TILES.map((keys) => {
        const quantity = quantityOf(keys[0] ?? "");
        const series = record.values(patient, quantity.key);
        const ordered = rules.intervals.get(quantity.key);
        const freshness = freshnessOf(
          series?.lastTime,
          now,
          ordered ? ordered * PATIENCE : quantity.interval,
        );
        const limits = drawnLimits(rules, quantity.key).filter((one) => !one.isFloor);
        const value = series?.lastValue;
        const beyond =
          value !== undefined &&
          limits.find((one) => (one.side === "low" ? value < one.value : value > one.value));
        const numbers = keys.map(
          (key) => record.values(patient, key)?.lastValue?.toFixed(quantityOf(key).digits) ?? "–",
        );
        return (
          <li
            key={quantity.key}
            className={`tile ${freshness} ${beyond && freshness === "fresh" ? "beyond" : ""}`}
          >
            <span className="label">{keys.length > 1 ? "Blood pressure" : quantity.label}</span>
            {freshness === "none" ? (
              <span className="number quiet">no data</span>
            ) : (
              <span className="number">
                {numbers.join("/")} <span className="unit">{quantity.unit}</span>
              </span>
            )}
            <span className="age">
              {freshness === "stale" &&
                series?.lastTime !== undefined &&
                `old: ${ageText(now - series.lastTime)} ago`}
              {freshness === "fresh" &&
                series?.lastTime !== undefined &&
                `${beyond ? `▲ ${beyond.side === "low" ? "below" : "above"} ${beyond.value} · ` : ""}${ageText(now - series.lastTime)} ago`}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
