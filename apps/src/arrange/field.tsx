// One labelled thing to fill in: its hint and what is wrong with it are tied to it for screen readers.

import { useId } from "react";

/** What the input takes over. */
export interface Wired {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": true | undefined;
}

interface Props {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly children: (wired: Wired) => React.ReactNode;
}

export function Field({ label, hint, problem, children }: Props): React.JSX.Element {
  const id = useId();
  const described = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {hint && (
        <span id={`${id}-hint`} className="quiet hint">
          {hint}
        </span>
      )}
      {children({
        id,
        "aria-describedby": described || undefined,
        "aria-invalid": problem ? true : undefined,
      })}
      {problem && (
        <span id={`${id}-problem`} className="problem">
          <span aria-hidden="true">✕ </span>
          {problem}
        </span>
      )}
    </div>
  );
}

/** Puts the cursor where the first thing is wrong; call it once the problems are drawn. */
export function focusFirstProblem(form: HTMLElement | null): void {
  form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
}
