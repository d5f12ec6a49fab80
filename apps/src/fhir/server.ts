// The one way to the FHIR server: requests with the token of the launch, refreshed in time, errors as `Refused`.
// Nothing here retries a write: whether it was done is for a person to look at.

import type Client from "fhirclient/lib/Client";
import { refusedBy } from "./refused";
import { Refused } from "./refused";
import type { Bundle, BundleEntry, FhirResource, OperationOutcome, Parameters } from "./types";

export type Query = Record<string, string | readonly string[]>;

/** One step of a JSON Patch (RFC 6902). */
export interface PatchStep {
  readonly op: "test" | "add" | "replace" | "remove";
  readonly path: string;
  readonly value?: unknown;
}

const FHIR_JSON = "application/fhir+json";
const JSON_PATCH = "application/json-patch+json";
const TIMEOUT_MS = 15_000;
const MOST_PAGES = 50;

/** The server of one launch. Paths are relative to its base: `Patient/1/$armed`. */
export class FhirServer {
  constructor(
    private readonly client: Client,
    /** Called when the token is good no more and cannot be refreshed. */
    private readonly onSignedOut: () => void,
  ) {}

  get base(): string {
    return this.client.state.serverUrl.replace(/\/$/, "");
  }

  async read<T extends FhirResource>(reference: string): Promise<T> {
    return (await this.send("GET", reference)) as T;
  }

  /** One page. */
  async search(type: string, query: Query): Promise<Bundle> {
    return (await this.send("GET", `${type}?${queryString(query)}`)) as Bundle;
  }

  /** All matches and what they bring along, page after page; at most `most` resources. */
  async searchAll(type: string, query: Query, most = 5000): Promise<FhirResource[]> {
    const found: FhirResource[] = [];
    let path: string | undefined = `${type}?${queryString(query)}`;
    for (let page = 0; path && page < MOST_PAGES && found.length < most; page += 1) {
      const bundle = (await this.send("GET", path)) as Bundle;
      for (const entry of bundle.entry ?? []) if (entry.resource) found.push(entry.resource);
      path = bundle.link?.find((one) => one.relation === "next")?.url;
    }
    return found;
  }

  /** An operation that changes nothing. */
  async ask(path: string, query: Query = {}): Promise<Parameters> {
    const asked = queryString(query);
    return (await this.send("GET", asked ? `${path}?${asked}` : path)) as Parameters;
  }

  /** An operation that may change something. */
  async operate<T = Parameters>(path: string, parameters?: Parameters): Promise<T> {
    return (await this.send("POST", path, parameters ?? { resourceType: "Parameters" })) as T;
  }

  async create<T extends FhirResource>(resource: T): Promise<T> {
    return (await this.send("POST", resource.resourceType, resource)) as T;
  }

  /** Writes `resource` where it stands; only over the version it was made from, where it names one. */
  async update<T extends FhirResource>(resource: T): Promise<T> {
    const version = resource.meta?.versionId;
    const headers: Record<string, string> = version ? { "If-Match": `W/"${version}"` } : {};
    return (await this.send("PUT", `${resource.resourceType}/${resource.id}`, resource, headers)) as T;
  }

  /** Changes parts of what stands, only of the version that was looked at. What is not named keeps every digit. */
  async patch<T extends FhirResource>(looked: T, steps: readonly PatchStep[]): Promise<T> {
    const headers = {
      "If-Match": `W/"${looked.meta?.versionId ?? ""}"`,
      "Content-Type": JSON_PATCH,
    };
    return (await this.send("PATCH", `${looked.resourceType}/${looked.id}`, steps, headers)) as T;
  }

  /** Writes all of it or nothing. */
  async transact(entry: BundleEntry[]): Promise<Bundle> {
    const bundle: Bundle = { resourceType: "Bundle", type: "transaction", entry };
    return (await this.send("POST", "", bundle)) as Bundle;
  }

  async remove(reference: string): Promise<void> {
    await this.send("DELETE", reference);
  }

  /** Several GETs at once; one that is refused is undefined in its place. */
  async askAll(paths: readonly string[]): Promise<(FhirResource | undefined)[]> {
    if (paths.length === 0) return [];
    const bundle: Bundle = {
      resourceType: "Bundle",
      type: "batch",
      entry: paths.map((url) => ({ request: { method: "GET", url } })),
    };
    const answer = (await this.send("POST", "", bundle)) as Bundle;
    return paths.map((_, index) => {
      const entry = answer.entry?.[index];
      return entry?.response?.status.startsWith("2") ? entry.resource : undefined;
    });
  }

  /** Sends and forgets, also from a page that is being closed. */
  lastWords(method: "DELETE", path: string): void {
    const authorization = this.client.getAuthorizationHeader();
    if (!authorization) return;
    void fetch(this.url(path), {
      method,
      keepalive: true,
      headers: { Authorization: authorization },
    }).catch(() => undefined);
  }

  private url(path: string): string {
    return /^https?:/.test(path) ? path : `${this.base}/${path}`;
  }

  private async send(
    method: string,
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<unknown> {
    try {
      await this.client.refreshIfNeeded();
    } catch {
      this.onSignedOut();
      throw refusedBy(401, undefined);
    }
    const headers: Record<string, string> = { Accept: FHIR_JSON };
    const authorization = this.client.getAuthorizationHeader();
    if (authorization) headers["Authorization"] = authorization;
    if (body !== undefined) headers["Content-Type"] = FHIR_JSON;
    Object.assign(headers, more);
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(this.url(path), {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        cache: "no-store",
      });
      text = await answer.text();
    } catch {
      throw refusedBy(0, undefined);
    }
    const said = parsed(text);
    if (answer.ok) return said;
    if (answer.status === 401) this.onSignedOut();
    throw refusedBy(answer.status, said as OperationOutcome | undefined);
  }
}

function parsed(text: string): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(502, "The server's answer could not be read. Look whether it was done, then repeat.");
  }
}

/** `a=1&b=2&b=3`; values are encoded, `|`, `,`, `/` and `:` stay readable. */
export function queryString(query: Query): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value as string]) {
      const encoded = encodeURIComponent(one).replace(/%(7C|2C|2F|3A)/g, (code) => decodeURIComponent(code));
      pairs.push(`${encodeURIComponent(name)}=${encoded}`);
    }
  }
  return pairs.join("&");
}
