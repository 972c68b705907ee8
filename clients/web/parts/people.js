/** The names of principals, as the page that hosts the dialog knows them. */
export class People {
  #describe;
  #names = new Map();

  /** @param {(principals: string[]) => Promise<Record<string, string>> | undefined} describe */
  constructor(describe) {
    this.#describe = describe;
  }

  remember(principal, name) {
    this.#names.set(principal, name);
  }

  /** Asks for the names that are not known yet. A principal whose name cannot be had keeps none. */
  async load(principals) {
    const unknown = [...new Set(principals)].filter((principal) => !this.#names.has(principal));
    if (!unknown.length) return;
    try {
      const names = (await this.#describe(unknown)) ?? {};
      for (const principal of unknown) {
        if (Object.hasOwn(names, principal)) this.#names.set(principal, String(names[principal]));
      }
    } catch (error) {
      console.error(error);
    }
  }

  /** The name, or "" where there is none: an id is never shown. */
  name(principal) {
    return this.#names.get(principal) ?? "";
  }
}

export function isGroup(principal) {
  return principal.startsWith("group:");
}
