// "Arrange": what is set up around a patient. Each section is a view of its own in this folder.

import { useEffect, useRef } from "react";
import "./arrange.css";
import { nameOf } from "../fhir/read";
import type { Patient } from "../fhir/types";
import { useRecord } from "../view/live";
import { AppsSection } from "./apps";
import { CardSection } from "./card";
import { ConsentSection } from "./consent";
import { DevicesSection } from "./devices";
import { LimitsSection } from "./limits";
import { LookedSection } from "./looked";
import { PlanSection } from "./plan";
import { TeamSection } from "./team";

export interface ArrangeProps {
  readonly patient: string;
  readonly section: string | undefined;
}

export interface SectionProps {
  /** `Patient/id`. */
  readonly patient: string;
}

const SECTIONS: readonly {
  readonly key: string;
  readonly label: string;
  readonly view: (props: SectionProps) => React.JSX.Element;
}[] = [
  { key: "team", label: "Who is called", view: TeamSection },
  { key: "limits", label: "Limits", view: LimitsSection },
  { key: "plan", label: "Treatment plan", view: PlanSection },
  { key: "devices", label: "Devices", view: DevicesSection },
  { key: "card", label: "Fridge card", view: CardSection },
  { key: "consent", label: "Consent", view: ConsentSection },
  { key: "looked", label: "Who looked", view: LookedSection },
  { key: "apps", label: "Connected apps", view: AppsSection },
];

export function ArrangeView({ patient, section }: ArrangeProps): React.JSX.Element {
  const record = useRecord();
  const name = nameOf((record.get(patient) as Patient | undefined)?.name);
  const chosen = SECTIONS.find((one) => one.key === section) ?? SECTIONS[0]!;
  const home = `#/patient/${patient.replace("Patient/", "")}`;
  const heading = useRef<HTMLHeadingElement>(null);
  const before = useRef(chosen.key);
  useEffect(() => {
    if (before.current === chosen.key) return;
    before.current = chosen.key;
    heading.current?.focus();
  }, [chosen.key]);
  return (
    <section aria-labelledby="title" className="arrange">
      <p>
        <a href={home}>Back to {name ?? "the patient"}</a>
      </p>
      <nav aria-label="What to arrange">
        <ul>
          {SECTIONS.map((one) => (
            <li key={one.key}>
              <a
                className="button"
                href={`${home}/arrange/${one.key}`}
                aria-current={one === chosen ? "page" : undefined}
              >
                {one.label}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <h1 id="title" ref={heading} tabIndex={-1}>
        {chosen.label}
        {name ? `: ${name}` : ""}
      </h1>
      <chosen.view key={chosen.key} patient={patient} />
    </section>
  );
}
