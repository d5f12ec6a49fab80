import { describe, expect, it } from "vitest";
import { hashOf, routeOf, type Route } from "./route";

describe("routeOf", () => {
  it.each<Route>([
    { view: "list" },
    { view: "patient", patient: "Patient/ann" },
    { view: "alert", patient: "Patient/ann", flag: "01a2-b" },
    { view: "arrange", patient: "Patient/ann", section: undefined },
    { view: "arrange", patient: "Patient/ann", section: "team" },
  ])("finds again what hashOf wrote: $view", (route) => {
    expect(routeOf(hashOf(route))).toEqual(route);
  });

  it.each(["", "#", "#/nowhere", "#/patient/", "#/patient/<script>", "#/patient/a%2Fb"])(
    "%s is the list",
    (hash) => {
      expect(routeOf(hash)).toEqual({ view: "list" });
    },
  );
});
