// Launch, the session that came of it, and its end. fhirclient does the OAuth: authorization code with PKCE, refresh.

import FHIR from "fhirclient";
import type Client from "fhirclient/lib/Client";
import type { Config } from "./config";
import { personOf, type Person } from "./person";
import { scopes } from "./scopes";

export interface Session {
  readonly client: Client;
  readonly person: Person;
  /** The patient an EHR had open, null in a standalone launch. */
  readonly launchPatient: string | null;
}

/** The address people come back to: the app itself, without query and fragment. */
export function appAddress(page: string): string {
  return new URL(".", page).href;
}

/** Goes to the server to sign in; the page ends with it. `launch` is the handle of an EHR. */
export async function signIn(config: Config, page: string, iss = config.iss, launch?: string): Promise<void> {
  await FHIR.oauth2.authorize({
    clientId: config.clientId,
    scope: scopes(launch !== undefined),
    redirectUri: appAddress(page),
    iss,
    ...(launch === undefined ? {} : { launch }),
    pkceMode: "required",
    completeInTarget: true,
  });
}

/** The session of this tab: what just came back from the server, or what the tab had; undefined for none. */
export async function openSession(): Promise<Session | undefined> {
  const query = new URLSearchParams(location.search);
  if (query.has("error"))
    throw new Error(query.get("error_description") ?? `Not signed in: ${query.get("error")}.`);
  if (!query.has("code") && !sessionStorage.getItem("SMART_KEY")) return undefined;
  const client = await FHIR.oauth2.ready();
  if (!client.getState("tokenResponse.access_token")) return undefined;
  return { client, person: personOf(client.getFhirUser()), launchPatient: client.getPatientId() };
}

/** Ends the session here and, where the server can, its tokens. */
export async function signOut(client: Client): Promise<void> {
  const token =
    client.getState("tokenResponse.refresh_token") ?? client.getState("tokenResponse.access_token");
  forget();
  const revocation = await revocationAddress(client.state.serverUrl);
  if (!revocation || !token) return;
  const form = new URLSearchParams({ token, client_id: client.state.clientId ?? "" });
  await fetch(revocation, { method: "POST", body: form, keepalive: true }).catch(() => undefined);
}

/** Forgets the session in this tab. */
export function forget(): void {
  const key = sessionStorage.getItem("SMART_KEY");
  sessionStorage.removeItem("SMART_KEY");
  if (key) sessionStorage.removeItem(key.replace(/^"|"$/g, ""));
}

/** Where a person sees and ends what apps may do; undefined where the server has no such page. */
export async function managementAddress(base: string): Promise<string | undefined> {
  return discovered(base, "management_endpoint");
}

async function revocationAddress(base: string): Promise<string | undefined> {
  return discovered(base, "revocation_endpoint");
}

async function discovered(base: string, name: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${base.replace(/\/$/, "")}/.well-known/smart-configuration`);
    const found = ((await answer.json()) as Record<string, unknown>)[name];
    return typeof found === "string" ? found : undefined;
  } catch {
    return undefined;
  }
}
