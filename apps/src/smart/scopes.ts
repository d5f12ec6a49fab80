// What the app asks for. Reading is broad, because relationship, role and consent narrow it on the server;
// writing is type by type. A person may leave any of it out: what then cannot be done says so.

const READS = ["user/*.rs"];
const WRITES = [
  "Task.u",
  "Procedure.cu",
  "Subscription.cud",
  "Communication.c",
  "QuestionnaireResponse.c",
  "CareTeam.cu",
  "RelatedPerson.cu",
  "ServiceRequest.cu",
  "Provenance.c",
  "CarePlan.cu",
  "Goal.cu",
  "Device.cu",
  "DeviceUseStatement.cu",
  "DocumentReference.cu",
  "Consent.cu",
].map((one) => `user/${one}`);

const IDENTITY = ["openid", "fhirUser", "offline_access"];

/** The scopes of a launch; `fromEhr` also takes the patient the EHR has open. */
export function scopes(fromEhr: boolean): string {
  return [...(fromEhr ? ["launch"] : []), ...IDENTITY, ...READS, ...WRITES].join(" ");
}
