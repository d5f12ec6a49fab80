// Addresses inside the app: #/, #/patient/ann, #/patient/ann/alert/f1, #/patient/ann/arrange/team. Pure.

export type Route =
  | { readonly view: "list" }
  | { readonly view: "patient"; readonly patient: string }
  | { readonly view: "alert"; readonly patient: string; readonly flag: string }
  | { readonly view: "arrange"; readonly patient: string; readonly section: string | undefined };

const ID = /^[A-Za-z0-9.-]{1,64}$/;

/** The route of a fragment; anything that is none is the list. */
export function routeOf(hash: string): Route {
  const [place, id, next, last] = hash.replace(/^#?\/?/, "").split("/");
  if (place !== "patient" || !id || !ID.test(id)) return { view: "list" };
  const patient = `Patient/${id}`;
  if (next === "alert" && last && ID.test(last)) return { view: "alert", patient, flag: last };
  if (next === "arrange")
    return { view: "arrange", patient, section: last && ID.test(last) ? last : undefined };
  return { view: "patient", patient };
}

/** The fragment of a route. */
export function hashOf(route: Route): string {
  if (route.view === "list") return "#/";
  const patient = `#/patient/${route.patient.replace("Patient/", "")}`;
  if (route.view === "alert") return `${patient}/alert/${route.flag}`;
  if (route.view === "arrange") return `${patient}/arrange${route.section ? `/${route.section}` : ""}`;
  return patient;
}
