// Which client the app is, and at which server: `config.json` beside the app, so that a build fits every server.

export interface Config {
  readonly clientId: string;
  /** FHIR base, absolute; a relative one is taken from where the app is. */
  readonly iss: string;
}

/** The configuration beside `page`; throws in words an operator can act on. */
export async function readConfig(page: string): Promise<Config> {
  const address = new URL("config.json", page);
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok)
    throw new Error(`${address.pathname} is missing: it names clientId and iss (apps/README.md).`);
  return configFrom(await answer.json(), page);
}

/** The configuration said by `content`. */
export function configFrom(content: unknown, page: string): Config {
  const { clientId, iss } = (content ?? {}) as Partial<Record<keyof Config, unknown>>;
  if (typeof clientId !== "string" || typeof iss !== "string") {
    throw new Error("config.json needs clientId and iss, both texts (apps/README.md).");
  }
  return { clientId, iss: new URL(iss, page).href.replace(/\/$/, "") };
}
