// A change that takes something away: asked once more, with what it means, before anything is sent.

import { useId, useRef, useState } from "react";

interface Props {
  readonly label: string;
  /** What it means, as a sentence. */
  readonly meaning: string;
  readonly yes: string;
  readonly onYes: () => void;
  readonly disabled?: boolean | undefined;
}

export function Confirm({ label, meaning, yes, onYes, disabled }: Props): React.JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const no = () => {
    setAsking(false);
    requestAnimationFrame(() => button.current?.focus());
  };
  if (!isAsking)
    return (
      <button ref={button} type="button" disabled={disabled} onClick={() => setAsking(true)}>
        {label}
      </button>
    );
  return (
    <span
      className="confirm"
      role="group"
      aria-labelledby={id}
      onKeyDown={(event) => event.key === "Escape" && no()}
    >
      <span id={id}>{meaning}</span>
      <button type="button" autoFocus onClick={no}>
        No, leave it
      </button>
      <button
        type="button"
        className="danger"
        disabled={disabled}
        onClick={() => {
          setAsking(false);
          onYes();
        }}
      >
        {yes}
      </button>
    </span>
  );
}
