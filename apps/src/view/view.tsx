// Which view a route shows. To add one: a route in route.ts, a line here.

import { lazy, Suspense } from "react";
import { RosterView } from "./roster";
import type { Route } from "./route";

const PatientView = lazy(async () => ({ default: (await import("./patient")).PatientView }));
const AlertView = lazy(async () => ({ default: (await import("./alert")).AlertView }));
const ArrangeView = lazy(async () => ({ default: (await import("../arrange")).ArrangeView }));

export function View({ route }: { readonly route: Route }): React.JSX.Element {
  return <Suspense fallback={<p role="status">Opening…</p>}>{shown(route)}</Suspense>;
}

function shown(route: Route): React.JSX.Element {
  switch (route.view) {
    case "list":
      return <RosterView />;
    case "patient":
      return <PatientView key={route.patient} patient={route.patient} />;
    case "alert":
      return <AlertView key={route.flag} patient={route.patient} flag={route.flag} />;
    case "arrange":
      return <ArrangeView key={route.patient} patient={route.patient} section={route.section} />;
  }
}
