// Small readers of FHIR R4 resources. Pure: what is missing is `undefined`, never a default that looks like data.

import type {
  CodeableConcept,
  Extension,
  FhirResource,
  HumanName,
  Parameters,
  ParametersParameter,
} from "./types";

/** The key a resource is kept under: `Type/id`. */
export function keyOf(resource: FhirResource): string {
  return `${resource.resourceType}/${resource.id ?? ""}`;
}

/** `Type/id` of a reference, also of an absolute or versioned one; undefined for anything else. */
export function localReference(reference: string | undefined): string | undefined {
  const match = reference?.match(/([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[^/]+)?$/);
  return match?.[1];
}

/** Whether the concept holds `code`, of `system` where one is given. */
export function hasCode(concept: CodeableConcept | undefined, code: string, system?: string): boolean {
  return (
    concept?.coding?.some((one) => one.code === code && (system === undefined || one.system === system)) ??
    false
  );
}

/** The code of the concept in `system`. */
export function codeIn(concept: CodeableConcept | undefined, system: string): string | undefined {
  return concept?.coding?.find((one) => one.system === system)?.code;
}

/** What a person reads of the concept. */
export function textOf(concept: CodeableConcept | undefined): string | undefined {
  return concept?.text ?? concept?.coding?.find((one) => one.display)?.display ?? concept?.coding?.[0]?.code;
}

/** Given and family names, the official ones first. */
export function nameOf(names: HumanName[] | undefined): string | undefined {
  const name = names?.find((one) => one.use === "official" || one.use === "usual") ?? names?.[0];
  if (!name) return undefined;
  if (name.text) return name.text;
  const said = [...(name.given ?? []), name.family].filter(Boolean).join(" ");
  return said || undefined;
}

export function extensionOf(
  holder: { extension?: Extension[] } | undefined,
  url: string,
): Extension | undefined {
  return holder?.extension?.find((one) => one.url === url);
}

/** Milliseconds since 1970 of an instant or dateTime; undefined where it is missing or cannot be read. */
export function timeOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** All parameters of that name, at the top or among `parts`. */
export function parametersOf(
  from: Parameters | ParametersParameter[] | undefined,
  name: string,
): ParametersParameter[] {
  const list = Array.isArray(from) ? from : from?.parameter;
  return list?.filter((one) => one.name === name) ?? [];
}

/** The value of the first parameter of that name, whatever its type. */
export function valueOf(from: Parameters | ParametersParameter[] | undefined, name: string): unknown {
  const found = parametersOf(from, name)[0];
  if (!found) return undefined;
  for (const [key, value] of Object.entries(found)) {
    if (key.startsWith("value")) return value;
  }
  return undefined;
}

/** As `valueOf`, for texts, codes and times. */
export function stringOf(
  from: Parameters | ParametersParameter[] | undefined,
  name: string,
): string | undefined {
  const value = valueOf(from, name);
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return undefined;
}

/** As `valueOf`, for references: `Type/id`. */
export function referenceOf(
  from: Parameters | ParametersParameter[] | undefined,
  name: string,
): string | undefined {
  const value = valueOf(from, name) as { reference?: string } | undefined;
  return localReference(value?.reference);
}

/** The version as a number, 0 where it has none or one that cannot be compared. */
export function versionOf(resource: FhirResource): number {
  const version = Number(resource.meta?.versionId);
  return Number.isFinite(version) ? version : 0;
}
