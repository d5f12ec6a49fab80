// What stands where something is loaded, or why it does not: by right, by network.

import type { Loaded } from "../view/use_loaded";

interface Props {
  readonly of: Loaded<unknown>;
  /** What is being loaded, as in `the care team`. */
  readonly what: string;
}

export function StateOf({ of, what }: Props): React.JSX.Element | null {
  if (of.problem !== undefined)
    return (
      <p role="alert" className="problem">
        Not shown: {what}. {of.problem}{" "}
        <button type="button" onClick={of.again}>
          Try again
        </button>
      </p>
    );
  if (of.value === undefined) return <p role="status">Loading {what}…</p>;
  return null;
}
