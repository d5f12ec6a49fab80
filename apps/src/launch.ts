// Where an EHR opens the app: ?iss=...&launch=... (SMART App Launch, EHR launch).

import { messageOf } from "./fhir/refused";
import { readConfig } from "./smart/config";
import { signIn } from "./smart/session";

async function launch(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const iss = query.get("iss");
  const handle = query.get("launch");
  if (!iss || !handle) throw new Error("This address is opened by a record system, with iss and launch.");
  await signIn(await readConfig(location.href), location.href, iss, handle);
}

launch().catch((error: unknown) => {
  const said = document.getElementById("said");
  if (said) said.textContent = messageOf(error);
});
