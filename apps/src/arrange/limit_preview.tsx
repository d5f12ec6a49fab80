// What a limit would have done: one sentence, then treatment by treatment.

import { previewWords, type Preview, type PreviewSession } from "../model/rule_preview";
import { clockText, dayText } from "../view/times";

export function LimitPreview({ preview }: { readonly preview: Preview }): React.JSX.Element {
  return (
    <div role="group" aria-label="What this limit would have done">
      <p className="fires" role="status">
        {previewWords(preview)}
      </p>
      {preview.ignored.length > 0 && (
        <div className="why">
          <p>
            <b>A second signature is needed.</b> This goes beyond a safety floor: saved by one person alone it
            would not count. The figures are those with two signatures.
          </p>
          <ul>
            {preview.ignored.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </div>
      )}
      {preview.leftOut > 0 && (
        <p className="quiet">{preview.leftOut} older treatments were too long to look at.</p>
      )}
      {preview.sessions.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="Treatment by treatment">
          <table>
            <thead>
              <tr>
                <th scope="col">Treatment</th>
                <th scope="col">Values</th>
                <th scope="col">This limit</th>
                <th scope="col">Today’s rules</th>
                <th scope="col">When</th>
              </tr>
            </thead>
            <tbody>
              {preview.sessions.map((one) => (
                <tr key={one.start}>
                  <th scope="row">{one.start === undefined ? "–" : dayText(one.start)}</th>
                  <td className="number">{one.values}</td>
                  <td className="number">{one.values ? one.fires : "not measured"}</td>
                  <td className="number">{one.values ? one.firesToday : "not measured"}</td>
                  <td>
                    <Alerts session={one} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p className="quiet">
        Nobody answers in this repetition, so an alarm counts each time it begins. What the machine limits
        itself is not repeated.
      </p>
    </div>
  );
}

const MOST = 5;

function Alerts({ session }: { readonly session: PreviewSession }): React.JSX.Element {
  const more = session.alerts.length - MOST;
  return (
    <>
      {session.alerts.slice(0, MOST).map((one, index) => (
        <span key={index} className="quiet">
          {one.at === undefined ? "" : clockText(one.at)} {one.display}
          {one.value ? `: ${one.value}` : ""}
          <br />
        </span>
      ))}
      {more > 0 && <span className="quiet">and {more} more</span>}
    </>
  );
}
